"use client";
// Lists of runs: by tags, of a batch.

import { scopeOf, useAccess } from "./access.mjs";
import { named, useFollower } from "./follower.mjs";
import { updatesOf } from "./following.mjs";
import { useView } from "./view.mjs";

/** @typedef {import("../../types/run.js").AnyRealtimeRun} Run */
/** @typedef {import("../../types/react.js").UseRealtimeRunsWithTagOptions} Options */
/** @typedef {import("../../types/connect.js").FollowState<Run[]>} ListState */

/**
 * @typedef {object} ListView
 * @property {string | undefined} subject that the rest is of
 * @property {Run[]} runs the oldest first, as the official hooks have them
 * @property {Error | undefined} error
 */

/** @type {ListView} */
const NOTHING = { subject: undefined, runs: [], error: undefined };

/** @param {string | string[]} tag @param {Options} [options] */
export function useRealtimeRunsWithTag(tag, options) {
  const tags = [tag].flat().filter(Boolean);
  const { createdAt, skipColumns } = options ?? {};
  const subject = tags.length > 0 ? [tags, createdAt, skipColumns ?? []] : undefined;
  return useListView("tags", subject, options, ({ connection, accessToken }) =>
    connection.runs(
      { tags, ...(createdAt ? { createdAt } : {}) },
      { accessToken, ...(skipColumns ? { skipColumns } : {}) },
    ),
  );
}

/** @param {string | undefined} batchId @param {Options} [options] */
export function useRealtimeBatch(batchId, options) {
  const subject = batchId ? [batchId] : undefined;
  return useListView("batch", subject, options, ({ connection, accessToken }) =>
    connection.batch(batchId, { accessToken }),
  );
}

/**
 * @param {string} kind
 * @param {unknown[] | undefined} wanted
 * @param {Options | undefined} options
 * @param {(follow: import("./follower.mjs").Follow) => import("../../types/connect.js").Followed<ListState, Run[]>} followed
 */
function useListView(kind, wanted, options, followed) {
  const access = useAccess(options);
  const scope = scopeOf(access);
  const subject = wanted && JSON.stringify([...scope, kind, ...wanted]);
  const [view, state] = useView(kind, options?.id, scope, subject, NOTHING);
  // What another subject showed is not shown as this one's. A component that only names an `id` shows what others follow.
  const shown = subject && state.subject !== subject ? NOTHING : state;
  const stop = useFollower(access, options, subject, view, shown.error, (follow) => {
    view.begin(subject);
    let isKnown = false;
    const updates = updatesOf(follow.shared, (/** @type {ListState} */ { value, error }) => {
      view.show({ runs: inOrder(value), error });
    });
    const leave = followed(follow).subscribe((now) => {
      // A refusal waits for no update: nothing may be left to follow by then.
      if (follow.shared.recovers(now.error)) return;
      named(now.error);
      if (now.state === "live") {
        isKnown = true;
        follow.shared.works();
      }
      // A list that is asked for anew, with another token, stays until it is there.
      if (isKnown) updates.push(now);
      else if (now.error !== view.get().error) view.show({ error: now.error });
      if (now.error) updates.flush();
    });
    return () => {
      leave();
      updates.flush();
    };
  });
  return { runs: shown.runs, error: shown.error, stop };
}

/** Runs by the time they were made, the first one first; of one time as they came. @param {Run[]} runs newest first */
function inOrder(runs) {
  return [...runs].reverse().sort((a, b) => Number(a.createdAt) - Number(b.createdAt));
}
