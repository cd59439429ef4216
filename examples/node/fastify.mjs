// Fastify.

import Fastify from "fastify";
import { follow, relay, start } from "./app.mjs";

const app = Fastify();

// In a scope of its own, so that no content-type parser reads a body before the relay does.
app.register(async (scope) => {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _body, done) => done(null));
  scope.all("/api/trigger/*", (request, reply) => {
    reply.hijack();
    relay.node(request.raw, reply.raw);
  });
});
app.post("/api/runs", async (_, reply) => reply.code(201).send(await start()));
app.get("/api/runs/:id/events", (request) => follow(request.params.id, { headers: request.headers }));

await app.listen({ port: Number(process.env.PORT ?? 3000), host: "127.0.0.1" });
