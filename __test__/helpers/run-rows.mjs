// Rows of a run feed, one a feed, and our run object of one.

import { createRequire } from "node:module";

import { render } from "./render.mjs";

const require = createRequire(import.meta.url);
const { toRun } = require("../../js/runs/run.js");
const { Packets } = require("../../js/calls/packets.js");

export const SCHEMA = JSON.stringify({
  id: { type: "text" },
  ...Object.fromEntries(
    ["createdAt", "updatedAt", "startedAt", "delayUntil", "queuedAt", "expiredAt", "completedAt"].map((name) => [
      name,
      { type: "timestamp" },
    ]),
  ),
  number: { type: "int4" },
  isTest: { type: "bool" },
  usageDurationMs: { type: "int4" },
  costInCents: { type: "float8" },
  baseCostInCents: { type: "float8" },
  runTags: { type: "text", dims: 1 },
  realtimeStreams: { type: "text", dims: 1 },
  error: { type: "jsonb" },
});

const PLAIN = {
  id: "cplain",
  taskIdentifier: "my-task",
  friendlyId: "run_plain",
  status: "EXECUTING",
  createdAt: "2026-11-22T08:24:59.923",
  updatedAt: "2026-11-22T08:24:59.923",
  number: "1",
  isTest: "f",
  usageDurationMs: "0",
  costInCents: "0",
  baseCostInCents: "0",
};

/** A feed of one row: {@link PLAIN} with these columns over it. */
export function feedOf(columns, schema = SCHEMA) {
  const body = [
    { key: "k", value: { ...PLAIN, ...columns }, headers: { operation: "insert" } },
    { headers: { control: "up-to-date" } },
  ];
  return { name: JSON.stringify(columns).slice(0, 120), schema, bodies: [JSON.stringify(body)] };
}

/** Ours of one row. */
export async function runOf(columns, { packets = new Packets(), schema = SCHEMA } = {}) {
  const [[[rendered]]] = render([feedOf(columns, schema)]);
  return toRun(rendered, packets);
}
