// A page of hooks at random, for react-random.test.mjs: what it does, and what is judged.

/**
 * Runs in the page, by its text: nothing of this module is there.
 *
 * @param {any} kit of react-page.mjs
 * @param {ReturnType<typeof import("./react-random-world.mjs").randomWorld>} world
 */
export async function randomPage(kit, world) {
  const { React, h, flushSync, rootOf, hooks, asks, live, reload } = kit;
  const {
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
  } = world;

  const faults = [];
  const trail = [];
  const fault = (what) => {
    if (faults.length < 10) faults.push(`${what}\n  after ${trail.slice(-6).join("; ")}`);
  };

  // The components.
  const items = new Map();
  let mounts = 0;
  const KINDS = ["run", "streams", "stream", "tags", "batch", "useRun"];
  const tokenFor = (user) => pick([goodOf(user), goodOf(user), goodOf(user), `${user}/0`, undefined]);
  const subjectOf = ({ kind, user, run, stream }) => `${kind} ${user} ${run} ${kind === "stream" ? stream : ""}`;
  const makeItem = () => {
    const user = pick(USERS);
    const id = pick([undefined, undefined, "x", "y"]);
    const item = { name: ++mounts, kind: pick(KINDS), id, completed: new Set(), epoch: undefined };
    item.props = { user, run: id && chance(0.1) ? undefined : pick(RUNS), stream: pick(KEYS), isEnabled: chance(0.9) };
    item.props = { ...item.props, token: tokenFor(user), throttle: pick([undefined, 0, 100, 3000]) };
    item.props.refresher = chance(0.4) ? pick(refreshers.get(`${user}`)) : undefined;
    item.whim = chance(0.03) ? pick(["leave", "token", "stop"]) : undefined;
    return item;
  };
  const changeItem = (item) => {
    const { props } = item;
    const what = below(10);
    // What was followed before begins anew, whether anything was told meanwhile or not.
    if (what === 5 || what === 7) item.isElsewhere = true;
    if (what < 5) item.props = { ...props, token: tokenFor(props.user) };
    else if (what === 5 && item.kind !== "useRun")
      item.props = { ...props, run: pick(item.id ? [...RUNS, undefined] : RUNS) };
    else if (what === 6) item.props = { ...props, isEnabled: !props.isEnabled };
    else if (what === 7) {
      const user = pick(USERS);
      item.props = { ...props, user, token: tokenFor(user), refresher: undefined };
    } else if (what === 8) {
      item.props = { ...props, refresher: chance(0.5) ? pick(refreshers.get(`${props.user}`)) : undefined };
    } else item.props = { ...props, throttle: pick([0, 100, 3000]) };
  };

  /** What a component was told of a stream: each part once and in order, from the first one where it is its own. */
  const tell = (item, subject, list, chunks) => {
    const isAnew = item.isElsewhere && chunks[0].endsWith(" 1");
    if (isAnew) item.isElsewhere = false;
    if (isAnew || item.epoch?.subject !== subject) item.epoch = { subject, data: [], parts: [] };
    const had = item.epoch[list];
    for (const chunk of chunks) {
      const number = Number(chunk.split(" ").at(-1));
      if (!`stream ${chunk}`.startsWith(`${subject} `)) fault(`${item.name} ${subject}: ${list} of another: ${chunk}`);
      const last = had.at(-1);
      // One that has stopped in onParts is told no more of those in onData, and may go on where its module is loaded anew.
      const isOwn = !item.id && !item.isStopped;
      const isNext = isOwn ? number === (last ?? 0) + 1 : number > (last ?? 0);
      if (!isNext) fault(`${item.name} ${subject}: ${list} ${chunk} after ${last}`);
      had.push(number);
    }
    return had;
  };
  const whim = (item, shown) => {
    if (!item.whim) return;
    const { whim } = item;
    item.whim = undefined;
    trail.push(`${item.name} ${whim}`);
    if (whim === "stop") {
      item.isStopped = true;
      return shown.current?.stop();
    }
    if (whim === "leave") items.delete(item.name);
    else item.props = { ...item.props, token: goodOf(item.props.user) };
    if (chance(0.5)) flushSync(() => render(item.root));
    else render(item.root);
  };

  const HOOKS = {
    run: ({ run }, options) => hooks.useRealtimeRun(run, options),
    streams: ({ run }, options) => hooks.useRealtimeRunWithStreams(run, options),
    stream: ({ run, stream }, options) => hooks.useRealtimeStream(run, stream, options),
    tags: ({ run }, options) => hooks.useRealtimeRunsWithTag(run ? ["tag"] : [], options),
    batch: ({ run }, options) => hooks.useRealtimeBatch(run ? "batch" : undefined, options),
    useRun: ({ run }, options) => hooks.useRun(run ?? RUNS[0], options),
  };
  /** What is shown is of the user and the subject, and goes never back. */
  const judge = (item, props, shown) => {
    const { kind } = item;
    const { user, run } = props;
    const of = `${item.name} ${subjectOf({ kind, ...props })}`;
    for (const one of shown.runs ?? (shown.run ? [shown.run] : [])) {
      if (one.tags[0] !== `${user}`) fault(`${of}: a run of ${one.tags}`);
      if (run && !shown.runs && one.id !== run) fault(`${of}: run ${one.id}`);
    }
    const lists = shown.parts ? [shown.parts] : Object.values(shown.streams ?? {});
    for (const list of lists) {
      for (const [at, chunk] of list.entries()) {
        if (!chunk.startsWith(`${user} `) || (run && !chunk.startsWith(`${user} ${run} `)))
          fault(`${of}: part ${chunk}`);
        if (Number(chunk.split(" ").at(-1)) !== at + 1) fault(`${of}: part ${chunk} at ${at} of ${list.length}`);
      }
    }
    if (kind !== "useRun" && run && !shown.runs && shown.run) {
      const key = `${subjectOf({ kind, ...props })}`;
      if (item.last?.key === key && item.last.version > shown.run.durationMs)
        fault(`${of}: back to ${shown.run.durationMs}`);
      item.last = { key, version: shown.run.durationMs };
    }
  };
  const Item = ({ item, props }) => {
    const { kind } = item;
    const { user, run, stream, token, refresher, throttle, isEnabled } = props;
    const subject = subjectOf({ kind, ...props });
    const latest = React.useRef();
    const shown = HOOKS[kind](props, {
      ...(item.id ? { id: item.id } : {}),
      ...(isEnabled ? {} : { enabled: false }),
      ...(token ? { accessToken: token } : {}),
      ...(refresher ? { refreshAccessToken: refresher.ask } : {}),
      ...(throttle === undefined ? {} : { throttleInMs: throttle }),
      share: user,
      onComplete: (one) => {
        if (item.completed.has(one.id)) fault(`${item.name} ${subject}: completed twice`);
        if (!one.isFinished || one.tags[0] !== `${user}`)
          fault(`${item.name} ${subject}: completed with ${one.status}`);
        item.completed.add(one.id);
        whim(item, latest);
      },
      onData: (chunk) => {
        tell(item, subject, "data", [chunk]);
        whim(item, latest);
      },
      onParts: (parts) => {
        tell(
          item,
          subject,
          "parts",
          parts.splice(0).map(({ chunk }) => chunk),
        );
        whim(item, latest);
      },
    });
    judge(item, props, shown);
    React.useEffect(() => {
      latest.current = shown;
      item.shown = shown;
      item.of = `${user} ${run} ${stream}`;
    });
    return h("i", null, `${shown.run?.status} ${shown.error?.message}`);
  };

  // The roots: plain, strict, hidden now and then, and one that suspends.
  const forever = new Promise(() => {});
  const Suspends = () => React.use(forever);
  const roots = ["plain", "strict", "activity", "suspense"].map((how) => ({ how, root: rootOf(), isHidden: false }));
  const render = (into) => {
    const list = [...items.values()].filter(({ root }) => root === into);
    const children = list.map((item) => h(Item, { key: item.name, item, props: item.props }));
    const { how, root, isHidden } = into;
    if (how === "strict") root.render(h(React.StrictMode, null, children));
    else if (how === "activity") root.render(h(React.Activity, { mode: isHidden ? "hidden" : "visible" }, children));
    else if (how === "suspense") root.render(h(React.Suspense, null, children, isHidden && h(Suspends)));
    else root.render(children);
  };
  const show = (root) => {
    const how = below(3);
    if (how === 0) render(root);
    else if (how === 1) flushSync(() => render(root));
    else React.startTransition(() => render(root));
  };

  const act = () => {
    const what = below(20);
    const item = items.size > 0 ? pick([...items.values()]) : undefined;
    if (what < 5 && items.size < 25) {
      const added = makeItem();
      // Some come as one that is there, to share with it.
      if (item && chance(0.5)) {
        const { user, run, stream } = item.props;
        Object.assign(added, { kind: item.kind, id: item.id });
        added.props = { ...added.props, user, run, stream, token: tokenFor(user) };
        added.props.refresher = chance(0.4) ? pick(refreshers.get(`${user}`)) : undefined;
      }
      added.root = pick(roots);
      items.set(added.name, added);
      trail.push(`${added.name} comes: ${subjectOf({ kind: added.kind, ...added.props })}`);
      show(added.root);
    } else if (what < 8 && item) {
      items.delete(item.name);
      trail.push(`${item.name} leaves`);
      show(item.root);
    } else if (what < 12 && item) {
      changeItem(item);
      trail.push(`${item.name} changes`);
      show(item.root);
    } else if (what === 12) {
      trail.push("expire");
      expire(pick(USERS));
    } else if (what === 13 && chance(0.3)) {
      trail.push("reload");
      reload(Item, (props) => Item(props));
    } else if (what === 14 && chance(0.3)) {
      const root = roots[2 + below(2)];
      root.isHidden = !root.isHidden;
      trail.push(`${root.how} ${root.isHidden}`);
      show(root);
    } else if (what === 15)
      for (const each of refreshers.values()) pick(each).how = pick(["good", "hangs", "fails", "stale"]);
    else change();
  };
  const settle = async (ms, step = 200) => {
    for (let passed = 0; passed < ms; passed += step) {
      serve();
      await wait(step);
    }
  };

  const ACTIONS = 300;
  for (let turn = 0; turn < ACTIONS; turn++) {
    act();
    if (chance(0.5)) serve();
    await wait(below(pick([20, 200, 1000])));
  }
  // Nobody does anything, while much is refused: nothing is asked for again and again.
  const before = asks.length;
  await settle(20_000);
  const calm = asks.length - before;
  if (calm > 150) fault(`${calm} requests in 20 s while nothing happened`);

  // All is well from now on.
  world.isKind = true;
  for (const root of roots) root.isHidden = false;
  const groups = new Map();
  for (const item of items.values()) {
    item.props = { ...item.props, isEnabled: true };
    const group = item.id ? `${subjectOf({ kind: item.kind, ...item.props })} ${item.id}` : item.name;
    // Of those who share what they show, one has a good token.
    if (!groups.has(group)) item.props.token = freshOf(item.props.user);
    groups.set(group, item);
  }
  for (const root of roots) render(root);
  // Until then a refresher's last token may be another's, too.
  await settle(11_000);
  // Each has a good refresher now, whatever tokens it is rendered with, and whenever those are over.
  for (const item of items.values()) item.props = { ...item.props, refresher: refreshers.get(`${item.props.user}`)[0] };
  for (let turn = 0; turn < 40; turn++) {
    const item = pick([...items.values()]);
    const what = below(3);
    if (item && what === 0) item.props = { ...item.props, token: tokenFor(item.props.user) };
    if (item) show(item.root);
    if (what === 1) expire(pick(USERS));
    // The next one is told something before it is over, too.
    if (what === 1) await settle(4000);
    else await wait(below(pick([20, 200])));
    serve();
  }
  for (const user of USERS) for (const run of runsOf(user)) change(run);
  const wrong = () =>
    [...items.values()].flatMap((item) => {
      const { kind, props, shown, isStopped } = item;
      const { user, run, stream } = props;
      if (isStopped || !run) return [];
      const is = shown && JSON.stringify([versionsOf(shown), shown.error?.message ?? null, chunksOf(shown, kind)]);
      const list = /tags|batch/.test(kind) ? runsOf(user) : [truth.get(`${user}`).get(run)];
      const versions = kind === "stream" ? [] : list.map(({ id, version }) => `${id} ${version}`);
      const keys = kind === "stream" ? [stream] : kind === "streams" ? [...list[0].keys].sort() : [];
      const chunks = keys.map((key) =>
        Array.from({ length: list[0].parts[key] }, (_, n) => chunkOf(list[0], key, n + 1)),
      );
      const wanted = JSON.stringify([versions, null, chunks]);
      return is === wanted
        ? []
        : [`${item.name} ${subjectOf({ kind, ...props })} id ${item.id} token ${props.token}: ${is} and not ${wanted}`];
    });
  const versionsOf = ({ run, runs }) => (runs ?? (run ? [run] : [])).map(({ id, durationMs }) => `${id} ${durationMs}`);
  const chunksOf = ({ streams, parts }, kind) => {
    if (kind === "stream") return [parts];
    const names = Object.keys(streams ?? {}).sort();
    return names.map((key) => streams[key]);
  };
  for (const item of items.values()) {
    // A run is asked for at no interval: it is asked for anew with another token.
    if (item.kind === "useRun") item.props = { ...item.props, token: freshOf(item.props.user) };
  }
  await wait(3000);
  for (const root of roots) render(root);
  for (let turn = 0; turn < 500 && wrong().length > 0; turn++) await settle(200);
  for (const text of wrong()) fault(text);
  for (const { name, kind, props, shown, completed, isStopped } of items.values()) {
    const isOver = /^(run|streams)$/.test(kind) && shown?.run?.isFinished && props.run;
    if (isOver && !isStopped && !completed.has(props.run)) fault(`${name}: never completed`);
  }
  // What is tried later, after many tries, is tried by then.
  await settle(16_000);
  const quiet = asks.length;
  await settle(10_000);
  if (asks.length > quiet) fault(`${asks.length - quiet} requests for what is there`);

  // All leave.
  while (items.size > 0) {
    const item = pick([...items.values()]);
    items.delete(item.name);
    if (chance(0.5)) show(item.root);
  }
  for (const root of roots) render(root);
  await settle(1000);
  const left = asks.length;
  await settle(45_000, 1000);
  if (asks.length > left) fault(`${asks.length - left} requests for nobody`);
  if (live().length > 0) fault(`${live().length} requests are open for nobody: ${JSON.stringify(live()[0].wants)}`);
  return { faults, actions: ACTIONS, mounts, requests: asks.length };
}
