// What is followed once, for all components of a page that follow the same for one view.

import { backoff } from "../live.mjs";

/** After so many milliseconds a failure is no sequel of the one before. */
const FORGOTTEN_MS = 60_000;

/** `any`: of every kind of hook. @typedef {{ readonly current: { access: import("./access.mjs").Access, options: any } }} Member one component, with its last render */
/** @typedef {(follow: SharedFollow) => () => void} Start gives the function that leaves */

export class SharedFollow {
  /** Those who want it, with how each starts it. @type {Map<Member, Start>} */
  #starts = new Map();
  /** The one whose token and options it has. @type {Member | undefined} */
  #first;
  #leave = () => {};
  /** The token that each was tried with last. @type {WeakMap<Member, string | undefined>} */
  #tried = new WeakMap();
  /** The token that it is tried with. @type {string | undefined} */
  #token;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #attempt = 0;
  #triedAt = Number.NEGATIVE_INFINITY;

  /** The access and the options that it has: of the component that started it, or once that went, of another one. */
  get current() {
    return /** @type {Member} */ (this.#first).current;
  }

  /** The components that are there. */
  get members() {
    return this.#starts.keys();
  }

  /** @param {Member} member @param {Start} start */
  join(member, start) {
    this.#starts.set(member, start);
    if (!this.#first) this.#startAs(member);
  }

  /**
   * @param {Member} member
   * @returns {boolean} whether nobody is left
   */
  leave(member) {
    if (!this.#starts.has(member)) return false;
    if (this.#starts.size === 1) {
      clearTimeout(this.#timer);
      // Before it goes from the members: it is told what waits.
      this.#leave();
    }
    this.#starts.delete(member);
    const [next] = this.#starts.keys();
    if (next && this.#first === member) this.#first = next;
    return next === undefined;
  }

  /** It is tried with this token of the component whose it has. @param {string | undefined} token */
  use(token) {
    this.#token = token;
    this.#tried.set(/** @type {Member} */ (this.#first), token);
  }

  /**
   * Starts anew as `member`, unless its token was tried: by itself, or by another one just now. The first time at once, and then later and later: a component may
   * be rendered with another token each time.
   *
   * @param {Member} member
   * @param {string | undefined} token
   */
  retry(member, token) {
    const isTried = token === this.#token || (this.#tried.has(member) && this.#tried.get(member) === token);
    if (isTried || this.#timer !== undefined || !this.#starts.has(member)) return;
    const now = Date.now();
    if (now - this.#triedAt > FORGOTTEN_MS) this.#attempt = 0;
    this.#triedAt = now;
    const wait = this.#attempt === 0 ? 0 : backoff(this.#attempt);
    this.#attempt++;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#leave();
      this.#startAs(this.#starts.has(member) ? member : /** @type {Member} */ (this.#first));
    }, wait);
  }

  /** @param {Member} member */
  #startAs(member) {
    this.#first = member;
    this.use(member.current.access.accessToken);
    this.#leave = /** @type {Start} */ (this.#starts.get(member))(this);
  }
}
