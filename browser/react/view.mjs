"use client";
// What a hook shows: a store of one component, or of all components that name the same `id`.

import { useState, useSyncExternalStore } from "react";
import { Kept } from "./kept.mjs";
import { SharedFollow } from "./shared-follow.mjs";

/** A value and those who read it. @template {{ subject?: string | undefined }} T */
export class View {
  #empty;
  /** @type {T} */
  #shown;
  /** Shows the same, whatever it showed. @type {View<T> | undefined} */
  mirror;
  /** Those whose mirror it is, and for which something is followed. @type {Set<View<T>>} */
  mirrored = new Set();
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** What is followed for it. @type {Map<string, SharedFollow>} */
  #followed = new Map();

  /**
   * @param {T} empty
   */
  constructor(empty) {
    this.#empty = empty;
    this.#shown = empty;
  }

  get = () => this.#shown;

  subscribe = (/** @type {() => void} */ listener) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /** @param {Partial<T>} changes */
  show(changes) {
    this.#shown = { ...this.#shown, ...changes };
    for (const listener of [...this.#listeners]) listener();
    // Others may show more of the same in it.
    const isSame = this.mirror?.get().subject === this.#shown.subject;
    this.mirror?.show(isSame ? changes : this.#shown);
  }

  /** Shows what it has of a subject: nothing of another one. @param {T["subject"]} subject */
  begin(subject) {
    if (this.#shown.subject !== subject) this.#shown = { ...this.#empty, subject };
    this.show({});
  }

  /** Whether a component shows it or follows for it. */
  isUsed = () => this.#listeners.size > 0 || this.#followed.size > 0 || this.mirrored.size > 0;

  /**
   * Follows for this view, once for all components that follow the same for it: each part of a stream is added once.
   *
   * @param {string} subject
   * @param {import("./shared-follow.mjs").Member} member
   * @param {import("./shared-follow.mjs").Start} start gives the function that leaves
   * @returns {() => void} leaves
   */
  follow(subject, member, start) {
    const follow = this.#followed.get(subject) ?? new SharedFollow(start);
    this.#followed.set(subject, follow);
    const { mirror } = this;
    mirror?.mirrored.add(this);
    follow.join(member);
    return () => {
      // What waits is told to the last one, too.
      if (!follow.leave(member)) return;
      this.#followed.delete(subject);
      mirror?.unmirror(this);
    };
  }

  /** Shows what others follow in place of what nobody does any more. @param {View<T>} view */
  unmirror(view) {
    this.mirrored.delete(view);
    if (this.#shown.subject !== view.#shown.subject) return;
    const others = [...this.mirrored].reverse();
    const other = others.find(({ get }) => get().subject === this.#shown.subject) ?? others[0];
    if (other) this.show(other.#shown);
  }

  /**
   * Follows anew what failed, with a member's token or refresher that was not tried.
   *
   * @param {string} subject
   * @param {import("./shared-follow.mjs").Member} member
   * @param {string | undefined} token
   * @param {boolean} canRefresh
   */
  retry(subject, member, token, canRefresh) {
    this.#followed.get(subject)?.retry(member, token, canRefresh);
  }
}

/** The views with an `id`, which outlive their components. @type {Kept<View<any>>} `any`: of every kind of hook */
const named = new Kept(400);

/**
 * The view of those who name the same `id` and follow the same. Who names an `id` alone sees what others of the same user
 * follow by it.
 *
 * @template {{ subject?: string | undefined }} T
 * @param {string} name of the kind, the user and the `id`
 * @param {string | undefined} subject
 * @param {T} empty
 * @returns {View<T>}
 */
function namedView(name, subject, empty) {
  const mirror = named.get(name, () => new View(empty));
  if (subject === undefined) return mirror;
  const view = named.get(name + subject, () => new View(empty));
  view.mirror = mirror;
  return view;
}

/**
 * The view of a hook and what it shows now; on a server, and while a page is hydrated, nothing.
 *
 * @template {{ subject?: string | undefined }} T
 * @param {string} kind of hooks that show the same for the same `id`
 * @param {string | null | undefined} id
 * @param {[url: string, share: boolean | string]} scope the relay and the user: what one is shown is not shown to another
 * @param {string | undefined} subject what is followed: who follows another has another view
 * @param {T} empty always the same object
 * @returns {[View<T>, T]}
 */
export function useView(kind, id, scope, subject, empty) {
  const name = JSON.stringify([kind, id, ...scope]);
  // React may forget what is memoized, as it does where the component's module is loaded anew: then all came again.
  const [kept, keep] = useState(() => ({ name, view: new View(empty) }));
  let own = kept;
  if (kept.name !== name) {
    // Another user or relay begins with nothing.
    own = { name, view: new View(empty) };
    keep(own);
  }
  // A server has many pages: no view of one may reach another.
  const view = id == null || typeof window === "undefined" ? own.view : namedView(name, subject, empty);
  return [view, useSyncExternalStore(view.subscribe, view.get, () => empty)];
}
