/** `trigger-native/client`, which is an ES module. */

import type { Connection, ConnectOptions } from "./connect.js";

export type * from "./connect.js";

/**
 * Opens nothing yet: the connection is made when something is followed. Throws nothing: what fails is the `error` of what is followed,
 * and an iteration of it throws that.
 */
export declare function connect(options?: ConnectOptions): Connection;
