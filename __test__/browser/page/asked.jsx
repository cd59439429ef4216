// One or several hooks on one page, each once, as the address asks: `#` and a list in JSON of `{ hook, strict, auth, …props }`.

import { TriggerAuthContext } from "@trigger.dev/react-hooks";
import { StrictMode } from "react";
import { hooks } from "./hooks.jsx";

function Asked({ hook, strict, auth, ...props }) {
  const Hook = hooks[hook];
  const shown = (
    <TriggerAuthContext.Provider value={auth}>
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
