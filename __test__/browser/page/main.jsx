// What the address asks for. A test renders other hooks by `window.render(list)`.

import { createRoot } from "react-dom/client";
import AskedHooks, { Asked } from "./asked.jsx";

const root = createRoot(document.querySelector("main"));

window.render = (asked) =>
  root.render(asked.map(({ name, ...one }) => <Asked key={name ?? `${one.hook} ${one.runId}`} {...one} />));

if (location.hash) root.render(<AskedHooks />);
