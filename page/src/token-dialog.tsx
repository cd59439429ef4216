// The dialog that completes a wait token by its id, for tokens of an app.

import { useId, useState } from "react";
import { Dialog } from "./dialog.js";
import { WaitToken } from "./wait-token.js";

export function TokenDialog({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const id = useId();
  const token = text.trim();
  const isToken = /^waitpoint_\w+$/.test(token);
  return (
    <Dialog title="Complete a wait token" onClose={onClose}>
      <div className="field">
        <label htmlFor={id}>Id of the token</label>
        <input
          id={id}
          value={text}
          placeholder="waitpoint_…"
          onChange={(event) => setText(event.target.value)}
          spellCheck={false}
          autoComplete="off"
          aria-invalid={token !== "" && !isToken}
        />
        <p className="problem" aria-live="polite">
          {token !== "" && !isToken ? "The id of a wait token begins with waitpoint_" : ""}
        </p>
      </div>
      {isToken && <WaitToken key={token} id={token} />}
    </Dialog>
  );
}
