// examples/nuxt, installed from the packed package, built, and its server from the folder that is deployed.

import { apps } from "./examples/apps.mjs";

apps({ name: "nuxt", title: "Nuxt", built: ".output", start: "server/index.mjs", alone: true });
