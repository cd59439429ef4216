import { index, type RouteConfig, route } from "@react-router/dev/routes";

export default [
  index("routes/home.tsx"),
  route("runs/:id", "routes/run.tsx"),
  route("runs/:id/events", "routes/run-events.ts"),
  route("api/token", "routes/token.ts"),
  route("api/trigger/*", "routes/relay.ts"),
] satisfies RouteConfig;
