/** `trigger-native/client`, for compilers that do not read `exports` of package.json. */

export * from "./types/connect.js";
