// One or several hooks on one page, each once, as the address asks: `#` and a list in JSON of `{ hook, strict, auth, …props }`.
// `auth.refreshed` is what a refresher makes.

import { TriggerAuthContext } from "@trigger.dev/react-hooks";
import { StrictMode } from "react";
import { hooks } from "./hooks.jsx";

let refreshes = 0;

export function Asked({ hook, strict, auth: { refreshed, ...auth } = {}, ...props }) {
  const Hook = hooks[hook];
  const refreshAccessToken = async () => {
    refreshes += 1;
    window.refreshes = refreshes;
    return refreshed;
  };
  const shown = (
    <TriggerAuthContext.Provider value={refreshed ? { ...auth, refreshAccessToken } : auth}>
      <Hook options={{}} {...props} />
    </TriggerAuthContext.Provider>
  );
  return strict ? <StrictMode>{shown}</StrictMode> : shown;
}

/** All that the address asks for. */
export default function AskedHooks() {
  const asked = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  return asked.map((one) => <Asked key={`${one.hook} ${one.runId}`} {...one} />);
}
