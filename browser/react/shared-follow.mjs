// What is followed once, for all components of a page that show the same view.

import { backoff } from "../live.mjs";

/** After so many milliseconds a failure is no sequel of the one before. */
const FORGOTTEN_MS = 60_000;

/** So many tries with other tokens are made at once; further ones later and later. */
export const FAST_TRIES = 5;

/** `any`: of every kind of hook. @typedef {{ readonly current: { access: import("./access.mjs").Access, options: any } }} Member one component, with its last render */
/** @typedef {(follow: SharedFollow) => () => void} Start gives the function that leaves */

export class SharedFollow {
  /** The components that are there. @type {Set<Member>} */
  members = new Set();
  /** Tells what waits, before a component goes: what comes then is told as often as the others want it. */
  flush = () => {};
  /** Whether it is followed as a component with these options has it. @type {(options: any) => boolean} `any`: of every kind of hook */
  fits = () => true;
  #start;
  #leave = () => {};
  /** The one whose token and options it has. @type {Member | undefined} */
  #first;
  /** The token that it is tried with. @type {string | undefined} */
  #token;
  /** The one whose refresher is asked, until what it gave is known to work. @type {Member | undefined} */
  #asked;
  /** Whether it was begun with a refresher, which has had its turn or will have it. */
  #refreshes = false;
  /** Those that were refused since it was last known to work. @type {Set<string | undefined>} */
  #refused = new Set();
  /** The token of each that was tried or looked at last. @type {WeakMap<Member, string | undefined>} */
  #seen = new WeakMap();
  /** The one that it is tried as next. @type {Member | undefined} */
  #next;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #tries = 0;
  #triedAt = Number.NEGATIVE_INFINITY;
  /** Counts the starts: what an earlier one asked for says nothing of this one. */
  starts = 0;

  /** @param {Start} start */
  constructor(start) {
    this.#start = start;
  }

  /** The access and the options that it has: of the component that started it, or once that went, of another one. */
  get current() {
    return /** @type {Member} */ (this.#first).current;
  }

  /** What makes a fresh token: of the component that it has the token of, or of another one. */
  get refresh() {
    return this.#refresher?.current.access.refreshAccessToken;
  }

  get #refresher() {
    const all = [/** @type {Member} */ (this.#first), ...this.members];
    return all.find(({ current }) => current.access.refreshAccessToken);
  }

  /** @param {Member} member */
  join(member) {
    this.members.add(member);
    this.#seen.set(member, member.current.access.accessToken);
    if (!this.#first) this.#startAs(member);
  }

  /**
   * @param {Member} member
   * @returns {boolean} whether nobody is left
   */
  leave(member) {
    // Before it goes from the members: it is told what waits. Its callback may have others leave, or itself, and others come.
    if (this.members.has(member)) this.flush();
    if (!this.members.delete(member)) return false;
    const [next] = this.members;
    if (next) {
      const isFirst = this.#first === member;
      if (isFirst) this.#first = next;
      // A refresher that hangs, or what it gave, is nothing to those who stay.
      const isLost = this.#asked === member && member.current.access.refreshAccessToken !== this.refresh;
      if (isLost || (isFirst && !this.fits(next.current.options))) this.#tryAs(next);
      return false;
    }
    clearTimeout(this.#timer);
    this.#leave();
    return true;
  }

  /**
   * Whether it goes on by another token or a refresher that a component has been rendered with since: then the refusal is
   * none to show.
   *
   * @param {Error | undefined} error
   */
  recovers(error) {
    const { status } = /** @type {{ status?: number }} */ (error ?? {});
    // What it began with a refresher that went with its component goes on without.
    const isLost = error && this.#refreshes && !this.refresh;
    if (!isLost && status !== 401 && status !== 403) return false;
    // Two tokens of its own were refused, the one that it was rendered with since too: no refresher had its turn.
    if (!this.#asked) this.#refreshes = false;
    // A component may be rendered with another token each time: then it is shown why nothing comes.
    if (this.#tries >= FAST_TRIES && Date.now() - this.#triedAt < FORGOTTEN_MS) return false;
    this.#refused.add(this.#token);
    const isBetter = (/** @type {Member} */ { current: { access } }) =>
      isLost ||
      (access.accessToken !== undefined && !this.#refused.has(access.accessToken)) ||
      (access.refreshAccessToken !== undefined && !this.#refreshes);
    const next = [...this.members].find(isBetter);
    if (next) this.#tryAs(next);
    return next !== undefined;
  }

  /**
   * It is tried with this token, which is that of the component that it is followed as.
   *
   * @param {string | undefined} token
   * @param {boolean} [isAsking] whether that was refused, and the refresher is asked
   */
  use(token, isAsking) {
    this.#token = token;
    this.#seen.set(/** @type {Member} */ (this.#first), token);
    this.#asked = isAsking ? this.#refresher : undefined;
  }

  /** Whether it failed with a token, since it was last known to work. @param {string} token */
  isRefused(token) {
    return this.#refused.has(token);
  }

  /** It was told something that is no error. */
  works() {
    this.#refused.clear();
    this.#asked = undefined;
  }

  /**
   * It failed, and a component has this token: starts anew as that component, unless the token was refused and the component
   * had it before, and there is no refresher that would be the first one.
   *
   * @param {Member} member
   * @param {string | undefined} token
   * @param {boolean} canRefresh
   */
  retry(member, token, canRefresh) {
    if (!this.members.has(member)) return;
    this.#refused.add(this.#token);
    const isChanged = this.#seen.get(member) !== token;
    this.#seen.set(member, token);
    if (isChanged || !this.#refused.has(token) || (canRefresh && !this.#refreshes)) this.#tryAs(member);
  }

  /** Starts anew as a component, soon. @param {Member} member */
  #tryAs(member) {
    this.#next = member;
    if (this.#timer !== undefined) return;
    const now = Date.now();
    if (now - this.#triedAt > FORGOTTEN_MS) this.#tries = 0;
    this.#triedAt = now;
    // A component may be rendered with another token each time.
    const wait = this.#tries < FAST_TRIES ? 0 : backoff(this.#tries - FAST_TRIES);
    this.#tries++;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#leave();
      // What it is told then may have the last one leave.
      if (this.members.size === 0) return;
      const next = /** @type {Member} */ (this.#next);
      this.#startAs(this.members.has(next) ? next : /** @type {Member} */ (this.#first));
    }, wait);
  }

  /** @param {Member} member */
  #startAs(member) {
    this.#first = member;
    this.starts++;
    this.use(member.current.access.accessToken);
    this.#refreshes = this.refresh !== undefined;
    this.#leave = this.#start(this);
  }
}
