// A page and its relay in a process of their own, whose cost is measured: as `process.send` is told what to do.

import process from "node:process";
import { createRealtimeHandler } from "trigger-native";

import { bundle, servePage } from "./page-server.mjs";

const { baseURL, accessToken, limits, listens } = JSON.parse(process.argv[2]);
const handler = createRealtimeHandler({ baseURL, accessToken, limits });
const site = await servePage(await bundle(), (request, response) => handler.node(request, response));
const relayURL = listens ? (await handler.listen()).url : `${site.url}/api/trigger`;

process.on("message", () => process.send({ stats: handler.stats(), cpu: process.cpuUsage() }));
process.on("disconnect", () => process.exit());
process.send({ url: site.url, relayURL });
