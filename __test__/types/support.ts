// Equality of types, decided by the compiler: `Equal` tells `any` from everything else.

export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only for `true`. */
export type Expect<T extends true> = T;

/** Compiles only when a value of type `From` may stand where a `To` is asked for. */
export type Assignable<From extends To, To> = From;
