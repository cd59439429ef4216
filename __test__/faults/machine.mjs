// Faults of the machine that a process runs on: names, certificates, clocks, and a process that is stopped.

import { setTimeout as sleep } from "node:timers/promises";
import { named, secured } from "./machine/front.mjs";

const HOUR_MS = 3_600_000;
/** A viewer's token is good for an hour. */
const LONG_MS = HOUR_MS - 300_000;

/** Silence on a connection that was forgotten is noticed after 60 s unless told, as the relay's are; a call gives an attempt up after 30 s. */
const QUICK = { watch: { silenceTimeoutMs: 3_000 }, withinMs: 80_000 };

/** A call may take 60 s, and for its clock it takes as long as the process is stopped. An attempt has half of it. */
const LASTING = { requestOptions: { timeoutInMs: 1.5 * LONG_MS } };

/** A call has five attempts: they must outlast the fault. */
const PATIENT = { requestOptions: { retry: { minTimeoutInMs: 500, maxTimeoutInMs: 2_000 } } };

/** The process is stopped around the change, and told another time before it goes on. */
const stopped = (ms, { tell = {}, forget = false } = {}) => ({
  front: named,
  async strike({ machine, front }) {
    machine.around = {
      before: async () => machine.stop(),
      async after() {
        await sleep(ms);
        if (forget) front.first.forget();
        machine.tell(tell);
        machine.go();
      },
    };
  },
});

const clock = (tell, back) => ({
  front: named,
  strike: async ({ machine }) => machine.tell(tell),
  heal: back && (async ({ machine }) => machine.tell(back)),
});

const certificate = (name) => ({
  ...PATIENT,
  front: secured,
  strike: async ({ front }) => front.show(name),
  async heal({ front }) {
    await sleep(1_000);
    front.show("good");
  },
});

/** @type {import("./contract.mjs").Fault[]} */
export const machine = [
  {
    name: "the name of the server is unknown for a while",
    ...PATIENT,
    front: named,
    async strike({ machine: { tell }, front }) {
      tell({ address: "" });
      front.first.drop();
    },
    async heal({ machine: { tell } }) {
      await sleep(1_000);
      tell({ address: "127.0.0.1" });
    },
  },
  {
    name: "the server moves to another address",
    ...PATIENT,
    front: named,
    async strike({ machine: { tell }, front }) {
      tell({ address: "127.0.0.2" });
      await front.first.shut();
    },
  },
  {
    name: "the server moves to another address, and its old connections are forgotten",
    ...QUICK,
    front: named,
    async strike({ machine: { tell }, front }) {
      tell({ address: "127.0.0.2" });
      front.first.forget();
    },
  },
  { name: "the certificate expires", ...certificate("expired") },
  { name: "the certificate is another host's", ...certificate("other") },
  { name: "the clock jumps half an hour ahead", ...clock({ wallMs: HOUR_MS / 2 }) },
  { name: "the clock jumps a day back", ...clock({ wallMs: -24 * HOUR_MS }) },
  { name: "the clock jumps half an hour ahead, and back", ...clock({ wallMs: HOUR_MS / 2 }, { wallMs: 0 }) },
  { name: "the process is stopped for 10 s", ...stopped(10_000) },
  {
    name: "the process is stopped for 55 minutes",
    ...LASTING,
    ...stopped(500, { tell: { wallMs: LONG_MS, monotonicMs: LONG_MS } }),
  },
  {
    name: "the machine sleeps for 55 minutes",
    ...stopped(500, { tell: { wallMs: LONG_MS } }),
  },
  {
    name: "the process is stopped for 55 minutes, and its connections are forgotten",
    ...QUICK,
    ...LASTING,
    ...stopped(500, { tell: { wallMs: LONG_MS, monotonicMs: LONG_MS }, forget: true }),
  },
  {
    name: "the machine sleeps for 55 minutes, and its connections are forgotten",
    ...QUICK,
    ...stopped(500, { tell: { wallMs: LONG_MS }, forget: true }),
  },
];
