/**
 * Types that only the official SDK can name: handles and idempotency keys carry brands under symbols of its own. Where
 * it is installed its own types are used, so that handles of either package can be passed to the other. It is an
 * optional peer: without it each of these is `any`, which {@link IfAny} recognises, and a brand of ours is used.
 */

// @ts-ignore: the official SDK is an optional peer
type OfficialRunHandle<I extends string, P, O> = import("@trigger.dev/sdk").RunHandle<I, P, O>;

// @ts-ignore: the official SDK is an optional peer
type OfficialIdempotencyKey = import("@trigger.dev/sdk").IdempotencyKey;

/**
 * `Then` where `T` is `any`, else `Else`. In brackets: without them, an `any` of an import that cannot be resolved
 * would silently make the whole conditional type `any`.
 */
type IfAny<T, Then, Else> = [1] extends [T] ? Then : Else;

declare const payload: unique symbol;
declare const output: unique symbol;
declare const idempotencyKey: unique symbol;

/** The members of a handle for the compiler alone: its run's payload and output. */
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

/** The members of a handle for the compiler alone. */
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
