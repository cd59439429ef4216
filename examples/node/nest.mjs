// NestJS, over Express. Its decorators need TypeScript; here they are called.

import "reflect-metadata";
import { Controller, Get, Module, Post, Req, Res } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { follow, relay, start } from "./app.mjs";
import { send } from "./send.mjs";

class Runs {
  start() {
    return start();
  }
  events(request, response) {
    return send(response, follow(request.params.id, { headers: request.headers }));
  }
}
const decorate = (name, ...decorators) => {
  for (const each of decorators) each(Runs.prototype, name, Object.getOwnPropertyDescriptor(Runs.prototype, name));
};
decorate("start", Post());
decorate("events", Get(":id/events"));
Req()(Runs.prototype, "events", 0);
Res()(Runs.prototype, "events", 1);
Controller("api/runs")(Runs);

class App {}
Module({ controllers: [Runs] })(App);

const app = await NestFactory.create(App, { logger: false });
// Before listen(), which adds the body parsers.
app.use("/api/trigger", relay.node);
await app.listen(process.env.PORT ?? 3000, "127.0.0.1");
