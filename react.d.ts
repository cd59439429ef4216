/** `trigger-native/react`, for compilers that do not read `exports` of package.json. */

export * from "./types/react.js";
