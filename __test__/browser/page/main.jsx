import { createRoot } from "react-dom/client";
import AskedHooks from "./asked.jsx";

createRoot(document.querySelector("main")).render(<AskedHooks />);
