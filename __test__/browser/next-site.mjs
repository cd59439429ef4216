// The page and its relay in Next.js, as a user has it: installed from the packed package, served by its own commands.

import { cp, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { installed, run, serve } from "../examples/support.mjs";

const NEXT = path.join("node_modules", "next", "dist", "bin", "next");
const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

/** The app of the page, built once for all its servers. */
export class NextApp {
  #example;

  /** Installs and builds it: the versions are those of examples/nextjs. */
  static async installed() {
    const app = new NextApp();
    app.#example = await installed("nextjs");
    const { dir } = app.#example;
    try {
      for (const name of ["app", "components", "lib"]) await rm(path.join(dir, name), { recursive: true });
      await cp(path.join(here("../../examples/nextjs/app"), "layout.tsx"), path.join(dir, "app", "layout.tsx"));
      await cp(path.join(here("../../examples/nextjs/app"), "app.css"), path.join(dir, "app", "app.css"));
      await cp(here("next"), dir, { recursive: true });
      await cp(here("page"), path.join(dir, "hooks"), { recursive: true });
      await run(process.execPath, [NEXT, "build"], { cwd: dir });
    } catch (error) {
      await app.remove();
      throw error;
    }
    return app;
  }

  /**
   * How `BusyPage` starts the site.
   *
   * @param {"dev" | "start"} command of Next.js
   */
  site(command) {
    return async ({ baseURL, accessToken, limits }) => {
      const env = {
        NODE_ENV: command === "dev" ? "development" : "production",
        TRIGGER_API_URL: baseURL,
        TRIGGER_SECRET_KEY: accessToken,
        LIMITS: JSON.stringify(limits),
      };
      const { url, stop } = await serve([NEXT, command, "-H", "127.0.0.1"], { cwd: this.#example.dir, env });
      const counts = async () => (await fetch(`${url}/counts`)).json();
      try {
        // What `next dev` compiles at the first request is none of what is measured.
        for (const name of ["/own", "/counts", "/api/trigger/realtime/v1/runs/run_1234"]) {
          await (await fetch(url + name)).text();
        }
      } catch (error) {
        await stop();
        throw error;
      }
      return { url, relayURL: `${url}/api/trigger`, own: "/own", counts, stop };
    };
  }

  remove() {
    return this.#example.remove();
  }
}
