/** The types of `trigger-native/react` as an ES module, which is what they describe. */

export * from "./react.js";
