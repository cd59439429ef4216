/**
 * Types that only the official SDK can name: handles and idempotency keys carry brands under symbols of its own. Where
 * it is installed its very types are used, so that what comes from here can be passed there and the other way round.
 * It is an optional peer: elsewhere each of these is `any`, which {@link IfAny} tells, and a brand of ours is used.
 */

// @ts-ignore: the official SDK is an optional peer
type OfficialRunHandle<I extends string, P, O> = import("@trigger.dev/sdk").RunHandle<I, P, O>;

// @ts-ignore: the official SDK is an optional peer
type OfficialIdempotencyKey = import("@trigger.dev/sdk").IdempotencyKey;

/**
 * `Then` where `T` is `any`, else `Else`. In brackets: what cannot be resolved is an `any` that makes `any`, silently, of a
 * conditional type that it is compared in as it is.
 */
type IfAny<T, Then, Else> = [1] extends [T] ? Then : Else;

declare const payload: unique symbol;
declare const output: unique symbol;
declare const idempotencyKey: unique symbol;

/** What only types see of a handle: its run's payload and output. */
type OwnBrand<TPayload, TOutput> = { readonly [payload]: TPayload; readonly [output]: TOutput };

/** The members that can be read from the handle of one run. */
type HandleMembers<TTaskIdentifier extends string> = {
  id: string;
  publicAccessToken: string;
  taskIdentifier: TTaskIdentifier;
};

/** The handle of one run, as `RunHandle` documents it. */
export type AnyRunHandleOf<TTaskIdentifier extends string, TPayload, TOutput> = IfAny<
  OfficialRunHandle<string, any, any>,
  HandleMembers<TTaskIdentifier> & OwnBrand<TPayload, TOutput>,
  OfficialRunHandle<TTaskIdentifier, TPayload, TOutput>
>;

/** What only types see of a handle. */
export type HandleBrand<TPayload, TOutput> = IfAny<
  OfficialRunHandle<string, any, any>,
  OwnBrand<TPayload, TOutput>,
  Omit<OfficialRunHandle<string, TPayload, TOutput>, keyof HandleMembers<string>>
>;

/** A string that was made by `idempotencyKeys.create()`. */
export type IdempotencyKeyBrand = IfAny<
  OfficialIdempotencyKey,
  string & { readonly [idempotencyKey]: "IdempotencyKey" },
  OfficialIdempotencyKey
>;
