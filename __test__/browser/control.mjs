// The emulator's own calls, as a worker and a server would change what the page shows.

import { createHmac } from "node:crypto";

/** The `sub` of the emulator's tokens (docs/emulator.md). */
const ENVIRONMENT = "cemulatorenvironment00001";

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Runs, tokens and calls on one emulator. */
export class Control {
  #emulator;

  constructor(emulator) {
    this.#emulator = emulator;
  }

  /** A call with the root key, straight to the emulator; throws unless it succeeds. */
  async call(method, path, body, headers = {}) {
    const response = await fetch(this.#emulator.url + path, {
      method,
      headers: { authorization: `Bearer ${this.#emulator.secretKey}`, "content-type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return { body: text && JSON.parse(text), headers: response.headers };
  }

  /** Makes a run without a script. @returns {Promise<string>} its id */
  async run(columns = {}) {
    const { body } = await this.call("POST", "/emulator/runs", columns);
    return body.id;
  }

  /** Changes columns of a run. */
  change(id, columns) {
    return this.call("PATCH", `/emulator/runs/${id}`, columns);
  }

  /** Ends a run with success. */
  complete(id, columns = {}) {
    return this.change(id, { status: "COMPLETED_SUCCESSFULLY", completedAt: new Date().toISOString(), ...columns });
  }

  /** Appends to a stream of a run what a worker writes. */
  append(id, key, ...values) {
    const records = values.map((data) => ({ data }));
    return this.call("POST", `/emulator/runs/${id}/streams/${key}`, { records });
  }

  /** Triggers a task. @returns {Promise<{ id: string, token: string }>} its run and the handle's token */
  async trigger(task, payload = {}, options = {}) {
    const sent = { payload: JSON.stringify(payload), options: { payloadType: "application/json", ...options } };
    const { body, headers } = await this.call("POST", `/api/v1/tasks/${task}/trigger`, sent, {
      "x-trigger-realtime-streams-version": "v2",
    });
    return { id: body.id, token: headers.get("x-trigger-jwt") };
  }

  /** A run over REST. */
  async retrieve(id) {
    return (await this.call("GET", `/api/v3/runs/${id}`)).body;
  }

  /** Waits until a run is such that `choose` gives something, and gives that. */
  async until(id, choose) {
    for (;;) {
      const chosen = choose(await this.retrieve(id));
      if (chosen) return chosen;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /**
   * A public token.
   *
   * @param {string[]} scopes
   * @param {object} [claims] over the usual ones
   */
  token(scopes, claims = {}, secretKey = this.#emulator.secretKey) {
    const now = Math.floor(Date.now() / 1000);
    const all = {
      sub: ENVIRONMENT,
      pub: true,
      scopes,
      iss: "https://id.trigger.dev",
      aud: "https://api.trigger.dev",
      exp: now + 900,
      iat: now,
      ...claims,
    };
    const message = `${encode({ alg: "HS256" })}.${encode(all)}`;
    return `${message}.${createHmac("sha256", secretKey).update(message).digest("base64url")}`;
  }

  /** A token that may read this run. */
  reader(id, claims) {
    return this.token([`read:runs:${id}`], claims);
  }
}
