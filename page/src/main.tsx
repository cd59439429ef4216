// First: it sets zod up before the other modules use it.
import "./no-eval.js";

import { createRoot } from "react-dom/client";
import { App } from "./app.js";
// Stylesheets, in the order of the cascade.
import "./css/base.css";
import "./css/controls.css";
import "./css/layout.css";
import "./css/run.css";
import "./css/dialog.css";
import "./css/phone.css";

const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
