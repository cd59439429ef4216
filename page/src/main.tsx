// Before everything else.
import "./no-eval.js";

import { createRoot } from "react-dom/client";
import { App } from "./app.js";
import "./page.css";

const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
