// Compares what a relay did with a doubled request with what it does with a plain one, byte for byte.

import assert from "node:assert/strict";
import { plain } from "./doubles-world.mjs";
import { KEY } from "./relay.mjs";

/** @typedef {import("./doubles.mjs").Asked} Asked @typedef {import("./recording-server.mjs").Recorded} Recorded */

/** The paths that a server is ever asked for, whoever asks. */
const SENT =
  /^(GET|HEAD|POST) \/(realtime\/v1\/runs\?|realtime\/v1\/(runs|batches)\/[^/?]+\?|realtime\/v1\/streams\/[^/?]+\/k |api\/v3\/runs\/[^/?]+[ ?]|api\/v1\/tasks\/[^/?]+\/trigger[ ?])/;
/** The names of headers that reach a server. */
const HEADERS =
  /^(host|authorization|accept|accept-encoding|content-length|transfer-encoding|content-type|user-agent|traceparent|timeout-seconds|x-trigger-[a-z-]+|trigger-version|x-upper|a|electric-[a-z-]+): /;

/**
 * What was sent for one request, without what differs from case to case: its names, its token, and how a body's length is
 * told.
 *
 * @param {Recorded[]} sent
 * @param {Asked} one
 */
function normal(sent, { names }) {
  const hide = (/** @type {string} */ text) =>
    text
      .replaceAll(names.mine, "<mine>")
      .replaceAll(names.victim, "<victim>")
      .replaceAll(names.token || "\0", "<token>")
      .replaceAll(KEY, "<key>");
  return sent.map(({ line, headers, body }) => {
    const told = headers.filter((header) => /^(content-length|transfer-encoding):/i.test(header));
    assert.ok(told.length <= 1, `one length: ${told}`);
    const isChunked = told[0]?.toLowerCase().startsWith("transfer");
    const rest = headers.filter((header) => !told.includes(header)).map((header) => hide(header).toLowerCase());
    return {
      line: hide(line),
      headers: rest.filter((header) => !/^(host|traceparent):/.test(header)).sort(),
      body: isChunked ? unchunked(body) : body,
    };
  });
}

/** @param {string} text */
function unchunked(text) {
  let body = "";
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, end), 16);
    if (size === 0) break;
    body += text.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
  return body;
}

/**
 * What holds of everything that was sent, whatever was asked.
 *
 * @param {Recorded[]} sent
 * @param {Asked} one
 * @param {string} token
 * @param {string} form
 * @param {string} what
 */
function checkAll(sent, one, token, form, what) {
  for (const { line, headers } of sent) {
    assert.match(line, SENT, what);
    assert.doesNotMatch(line, /%2f|%5c|%00|\/\.\.?[/? ]|#/i, what);
    const names = headers.map((header) => header.slice(0, header.indexOf(":")).toLowerCase());
    assert.equal(new Set(names).size, names.length, `${what}: a header twice: ${names}`);
    for (const header of headers) assert.match(header.toLowerCase(), HEADERS, `${what}: ${header}`);
    const bearer = headers.find((header) => /^authorization:/i.test(header))?.replace(/^authorization: Bearer /i, "");
    assert.ok(bearer === KEY || (bearer !== "" && bearer === one.names.token), `${what}: another's token went out`);
    if (bearer !== KEY || token === "own") continue;
    assert.match(line, /^(GET|HEAD) \/realtime\//, `${what}: the relay's key reads feeds and streams alone`);
    // Where the app decides, the relay's key reads what the app opened, whatever token comes along.
    if (form === "session") {
      assert.ok(!line.includes(one.names.victim), `${what}: ${line}`);
      continue;
    }
    // A run's feed is read to know whether there is such a run; nothing else is, for who may not read it.
    const isRun = line.startsWith("GET /realtime/v1/runs/");
    if (token === "mine" && !isRun) assert.ok(!line.includes(one.names.victim), `${what}: ${line}`);
    if (token === "victim" && !isRun) assert.ok(!line.includes(one.names.mine), `${what}: ${line}`);
    assert.ok(token !== "none" && token !== "forged", `${what}: ${line}`);
  }
}

/** What came late for an earlier request: polls of its feed, and its stream once more. @param {Recorded[]} sent @param {Asked} one */
const ofThis = (sent, { names }) =>
  sent.filter(({ line }) => {
    const number = /(?:mine|victim)(\d+)x/i.exec(line)?.[1];
    const isEarlier = number !== undefined && number !== /\d+/.exec(names.mine)?.[0];
    return !(
      line.includes("live=true") ||
      (isEarlier && line.startsWith("GET /realtime/")) ||
      line.includes("/auth/jwt/claims")
    );
  });

/** Asks doubled requests of one world, and compares each with its plain form. */
export class Comparison {
  #world;
  #number = 1;
  /** @type {Map<string, { status: number, sent: unknown }>} */
  #plain = new Map();
  /** How many were asked, by what became of them. @type {Record<string, number>} */
  counts = { asked: 0, refused: 0, "as the plain one": 0, "about neither": 0 };

  /** @param {Awaited<ReturnType<typeof import("./doubles-world.mjs").openWorld>>} world */
  constructor(world) {
    this.#world = world;
  }

  /** A plain request's outcome, about `mine` or `victim`. @param {string} kind @param {string} token @param {"mine" | "victim"} about */
  async #outcome(kind, token, about) {
    const key = `${kind} ${token} ${about}`;
    const known = this.#plain.get(key);
    if (known !== undefined) return known;
    const one = plain(kind, token, this.#world.form, this.#number++);
    if (about === "victim") {
      one.path = one.path.replace(one.names.mine, one.names.victim);
      one.query = one.query.map((text) => text.replace(one.names.mine, one.names.victim));
    }
    const answer = await this.#world.ask(one);
    const sent = ofThis(answer.sent, one);
    checkAll(sent, one, token, this.#world.form, key);
    // The one is to be told from the other only by its name.
    const text = JSON.stringify(normal(sent, one)).replaceAll(`<${about}>`, "<one>");
    const outcome = { status: answer.status, sent: text };
    checkPlain(this.#world.form, kind, token, about, answer.status, sent);
    this.#plain.set(key, outcome);
    return outcome;
  }

  /**
   * @param {import("./doubles.mjs").Double[]} doubles made in turn
   * @param {string} kind
   * @param {string} token
   */
  async check(doubles, kind, token) {
    const { way, form } = this.#world;
    const one = plain(kind, token, form, this.#number++);
    for (const double of doubles) double.edit(one);
    const what = `${doubles.map(({ name }) => name).join(" and ")}: ${kind}, ${form}, token ${token}, over ${way}`;
    const answer = await this.#world.ask(one);
    const sent = ofThis(answer.sent, one);
    checkAll(sent, one, token, form, what);
    const allowed = readings(doubles, way, form);
    const text = JSON.stringify(normal(sent, one));
    const isRefused = sent.length === 0 && (answer.status === 0 || answer.status >= 400);
    const shown = `${what}: ${answer.status} ${text}`;
    this.counts.asked++;
    for (const about of /** @type {const} */ (["mine", "victim"])) {
      if (!allowed.includes(about)) continue;
      const expected = await this.#outcome(kind, token, about);
      if (answer.status !== expected.status || text.replaceAll(`<${about}>`, "<one>") !== expected.sent) continue;
      this.counts["as the plain one"]++;
      return;
    }
    if (allowed.includes("refused") && isRefused) {
      this.counts.refused++;
      return;
    }
    assert.ok(allowed.includes("other"), `${shown}, expected ${allowed}`);
    // A text that is neither of the two: nobody who may read one of them reads it, though the relay may ask whether
    // there is such a run. What is proxied is the server's to decide.
    const isProxied = ["retrieve", "trigger"].includes(kind);
    const isNarrow = !isProxied && (["mine", "victim", "none"].includes(token) || form === "session");
    if (isNarrow) assert.ok(answer.status === 0 || answer.status >= 400, shown);
    for (const { line } of sent) {
      assert.ok(!isNarrow || line.startsWith("GET /realtime/v1/runs/"), shown);
      const path = /(?:runs|batches|streams|tasks)\/([^/? ]+)/.exec(line)?.[1];
      const id = path ?? new URL(line.split(" ")[1], "http://a").searchParams.get("tags");
      const { mine, victim } = one.names;
      assert.ok(!["run_", "batch_", ""].some((before) => id === before + mine || id === before + victim), shown);
    }
    this.counts["about neither"]++;
  }
}

/** The things that these doubles may be about. @returns {string[]} */
function readings(doubles, way, form) {
  const isNginx = way.startsWith("nginx");
  const all = doubles.map(({ name, reads }) => {
    if (form === "mounted" && name === "a plain mount point before") return "refused";
    if (typeof reads === "string") return isNginx ? "any" : reads;
    return reads[way] ?? (isNginx ? "any" : reads.else);
  });
  if (all.length === 1 && form !== "session") {
    if (all[0] === "any") return ["mine", "victim", "refused", "other"];
    return all[0] === "mine?" ? ["mine", "refused"] : [all[0]];
  }
  // Two at once, or an app that decides: nothing but what each alone may be about, or a refusal. To an app whose own
  // reading is about something else, it is nothing.
  const about = form === "session" ? ["mine", "refused", "other"] : ["mine", "victim", "refused", "other"];
  return about;
}

/** What a plain request comes to: the rights of docs/server-protocol.md 3, written here a second time. */
function checkPlain(form, kind, token, about, status, sent) {
  const what = `plain ${kind} about ${about}, ${form}, token ${token}: ${status}, ${JSON.stringify(sent)}`;
  const isProxied = ["retrieve", "trigger"].includes(kind);
  const isOpen =
    form === "session" && !isProxied ? about === "mine" : token === about || token === "all" || token === "own";
  let expected = isOpen ? 200 : token === "none" || token === "forged" ? 401 : 403;
  // The server decides on what is proxied, and this one decides on nothing but forged tokens.
  if (kind === "retrieve" && expected === 403) expected = 200;
  if (form === "session" && about === "victim") expected = 401;
  assert.equal(status, expected, what);
  // A forged token is asked about; a run that may not be read is asked for, since there may be none.
  const isProbed = token === "forged" && (form !== "session" || (isProxied && about === "mine"));
  const isLookedUp = expected === 403 && ["run", "stream"].includes(kind);
  const isAsked = expected === 200 || isProbed || isLookedUp;
  // A stream is read together with the feed of its run, which tells when it is over (docs/relay-streams.md, R10).
  const isStream = kind === "stream" && expected === 200;
  assert.equal(sent.length, isStream ? 2 : isAsked ? 1 : 0, what);
  if (!isAsked) return;
  const paths = {
    run: `realtime/v1/runs/run_${about}`,
    tags: "realtime/v1/runs?",
    batch: `realtime/v1/batches/batch_${about}`,
    stream: `realtime/v1/runs/run_${about}`,
    retrieve: `api/v3/runs/run_${about}`,
    trigger: `api/v1/tasks/${about}`,
  };
  assert.ok(sent[0].line.split(" ")[1].startsWith(`/${paths[kind]}`) && sent[0].line.includes(about), what);
  if (isStream) assert.ok(sent[1].line.split(" ")[1].startsWith(`/realtime/v1/streams/run_${about}`), what);
}
