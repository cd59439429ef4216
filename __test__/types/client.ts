// What trigger-native/client declares: a run has its own type, also where it goes straight into a function of the page's own.

import type { AnyRealtimeRun, RealtimeRun } from "trigger-native";
import type { Connection, Followed, FollowState, StreamState } from "trigger-native/client";
import type { Equal, Expect } from "./support.ts";
import type { resize } from "./tasks.ts";

declare const trigger: Connection;
/** As a composable of Vue or a signal of Angular takes it. */
declare function stateOf<S>(followed: Followed<S, unknown>): S;
declare function stateOfGiven<S>(follow: () => Followed<S, unknown>): S;

const any = trigger.run("run_1").getState();
type _any = Expect<Equal<NonNullable<typeof any.value>["status"], AnyRealtimeRun["status"]>>;

const taken = stateOf(trigger.run("run_1"));
type _taken = Expect<Equal<typeof taken, typeof any>>;
const given = stateOfGiven(() => trigger.run("run_1"));
type _given = Expect<Equal<typeof given, typeof any>>;

type Resize = RealtimeRun<typeof resize>;
const typed = stateOf(trigger.run<Resize>("run_1"));
type _typed = Expect<Equal<typeof typed, FollowState<Resize | undefined>>>;
const listed = stateOf(trigger.runs<Resize>({ tags: "a" }));
type _listed = Expect<Equal<typeof listed, FollowState<Resize[]>>>;
const batched = stateOf(trigger.batch<Resize>("batch_1"));
type _batched = Expect<Equal<typeof batched, FollowState<Resize[]>>>;
const stream = stateOf(trigger.stream<{ delta: string }>("run_1"));
type _stream = Expect<Equal<typeof stream, StreamState<{ delta: string }>>>;
