"use client";
// The context that tells the hooks below it which relay they speak to, and with which token.

import { createContext, useContext } from "react";

/** @typedef {import("../../types/react.js").TriggerAuth} TriggerAuth */

/** @type {import("react").Context<TriggerAuth | undefined>} */
export const TriggerAuthContext = createContext(/** @type {TriggerAuth | undefined} */ (undefined));
TriggerAuthContext.displayName = "TriggerAuthContext";

/** The context's value. @throws {Error} outside a provider @returns {TriggerAuth} */
export function useTriggerAuthContext() {
  const auth = useContext(TriggerAuthContext);
  if (!auth) throw new Error("There is no TriggerAuthContext.Provider above this component.");
  return auth;
}

/** The context's value, or an empty object outside a provider. @returns {TriggerAuth} */
export function useTriggerAuthContextOptional() {
  return useContext(TriggerAuthContext) ?? {};
}
