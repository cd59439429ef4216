// What pages of hooks at random have before them, for react-random.test.mjs: chance, what is true, tokens, and the relay.

/**
 * Runs in the page, by its text: nothing of this module is there. Time goes faster from then on.
 *
 * @param {any} kit of react-page.mjs
 * @param {number} seed
 */
export function randomWorld({ answers, live }, seed) {
  /** `isKind`: nothing fails any more but tokens that are over. */
  const world = { isKind: false };

  // Time.
  const SPEED = 25;
  const { setTimeout: timer } = globalThis;
  const { now } = Date;
  const began = now();
  Date.now = () => began + (now() - began) * SPEED;
  globalThis.setTimeout = (call, ms, ...given) => timer(call, ms / SPEED, ...given);
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // Chance.
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  const pick = (list) => list[below(list.length)];
  const chance = (p) => next() < p;

  // What is true, for each user: runs that change, with streams that grow.
  const USERS = [false, "one", "two"];
  const RUNS = ["run_0", "run_1", "run_2"];
  const KEYS = ["ai", "log"];
  const truth = new Map();
  for (const user of USERS) {
    const runs = RUNS.map((id, n) => ({ id, n, user, version: 1, isOver: false, parts: { ai: 0, log: 0 }, keys: [] }));
    truth.set(`${user}`, new Map(runs.map((run) => [run.id, run])));
  }
  const runsOf = (user) => [...truth.get(`${user}`).values()];
  const fieldsOf = ({ id, n, user, version, isOver, keys }) => ({
    id,
    status: isOver ? "COMPLETED" : "EXECUTING",
    isFinished: isOver,
    tags: [`${user}`],
    createdAt: 1000 + n,
    updatedAt: 2000 + version,
    durationMs: version,
    realtimeStreams: [...keys],
  });
  const chunkOf = ({ user, id }, key, n) => `${user} ${id} ${key} ${n}`;
  const change = (run = pick(runsOf(pick(USERS)))) => {
    if (run.isOver) return;
    run.version++;
    if (chance(0.6)) {
      const key = pick(KEYS);
      run.parts[key] += 1 + below(3);
      if (!run.keys.includes(key)) run.keys.push(key);
    }
    if (chance(0.03)) run.isOver = true;
  };

  // Tokens: `user/number`, of which those that are refused are known.
  const refused = new Set();
  const tokens = new Map(USERS.map((user) => [`${user}`, 1]));
  const goodOf = (user) => `${user}/${tokens.get(`${user}`)}`;
  const freshOf = (user) => {
    tokens.set(`${user}`, tokens.get(`${user}`) + 1);
    return goodOf(user);
  };
  const isGood = (token) => Boolean(token) && !refused.has(token);
  const expire = (user) => {
    refused.add(goodOf(user));
    freshOf(user);
  };

  // The relay.
  const encoder = new TextEncoder();
  const told = new Map();
  /** What a want lacks. */
  const eventsOf = (want, had) => {
    const { id, run, tags, batch, stream, token, at } = want;
    if (had.isOver) return [];
    const over = (...event) => {
      had.isOver = true;
      return [event];
    };
    if (!isGood(token))
      return over("error", id, { status: chance(0.7) ? 401 : 403, message: `no ${token}`, retry: false });
    if (!world.isKind && chance(0.02)) return over("error", id, { status: 404, message: "none", retry: false });
    if (!world.isKind && chance(0.02))
      return over("error", id, { status: 503, message: "busy", retry: true, after: 1000 });
    const user = token.split("/")[0];
    const events = [];
    if (stream) {
      const one = truth.get(user).get(stream.run);
      had.at ??= Number(at ?? 0);
      const parts = [];
      while (had.at < one.parts[stream.key] && (world.isKind || parts.length < 2)) {
        had.at++;
        parts.push({ id: `${had.at}`, chunk: chunkOf(one, stream.key, had.at), timestamp: 0 });
      }
      if (parts.length > 0) events.push(["chunk", id, { at: `${had.at}`, parts }]);
      if (!had.isReady) events.push(["ready", id]);
      had.isReady = true;
      if (one.isOver && had.at === one.parts[stream.key]) events.push(...over("end", id));
      return events;
    }
    const wanted = runsOf(user).filter((one) => tags || batch || one.id === run);
    for (const one of wanted) {
      if (had[one.id] === one.version) continue;
      events.push(["row", id, { key: one.id, at: `${one.version}`, run: fieldsOf(one) }]);
      had[one.id] = one.version;
    }
    if (!had.isReady) events.push(["ready", id]);
    had.isReady = true;
    if (run && wanted[0].isOver && !want.lasting) events.push(...over("end", id));
    return events;
  };
  const serve = () => {
    for (const ask of live()) {
      if (!world.isKind && chance(0.3)) continue;
      if (!told.has(ask)) told.set(ask, new Map());
      const known = told.get(ask);
      const events = ask.wants.flatMap((want) => {
        if (!world.isKind && chance(0.2)) return [];
        if (!known.has(want.id)) known.set(want.id, {});
        return eventsOf(want, known.get(want.id));
      });
      const isCut = !world.isKind && chance(0.01);
      if (isCut) events.push(["again"]);
      const text = events.map(([name, ...data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join("");
      // A comment where there is nothing to tell.
      ask.controller.enqueue(encoder.encode(text || ":\n\n"));
      if (isCut) {
        ask.isOver = true;
        ask.controller.close();
      }
    }
    for (const ask of told.keys()) if (ask.isOver) told.delete(ask);
  };
  answers.push(({ url, headers, resolve }) => {
    const [, id] = /api\/v3\/runs\/(.*)$/.exec(url) ?? [];
    if (!id) return false;
    const token = headers.get("authorization")?.slice("Bearer ".length);
    const answer = () => {
      if (!isGood(token)) return resolve(Response.json({ error: "no" }, { status: 401 }));
      if (!world.isKind && chance(0.1)) return resolve(Response.json({ error: "none" }, { status: 404 }));
      resolve(Response.json(fieldsOf(truth.get(token.split("/")[0]).get(id))));
    };
    setTimeout(answer, below(world.isKind ? 500 : 5000));
    return true;
  });

  // Refreshers: of each user some that are shared, and what they do now.
  const makeRefresher = (user) => {
    const refresher = {
      how: pick(["good", "good", "stale", "hangs", "fails", "nothing"]),
      ask: async () => {
        const how = world.isKind ? "good" : refresher.how;
        if (how === "hangs") return new Promise(() => {});
        await wait(below(300));
        if (how === "fails") throw chance(0.5) ? new Error("no token") : undefined;
        if (how === "nothing") return undefined;
        return how === "stale" ? `${user}/0` : goodOf(user);
      },
    };
    return refresher;
  };
  for (const user of USERS) refused.add(`${user}/0`);
  const refreshers = new Map(USERS.map((user) => [`${user}`, [makeRefresher(user), makeRefresher(user)]]));
  return Object.assign(world, {
    wait,
    below,
    pick,
    chance,
    USERS,
    RUNS,
    KEYS,
    truth,
    runsOf,
    chunkOf,
    change,
    goodOf,
    freshOf,
    expire,
    serve,
    refreshers,
  });
}
