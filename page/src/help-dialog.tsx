// The dialog that lists the keyboard shortcuts.

import { Dialog } from "./dialog.js";

const KEYS: [keys: string[], what: string][] = [
  [["T"], "Trigger a task"],
  [["W"], "Complete a wait token"],
  [["/"], "Filter the runs"],
  [["↑", "↓"], "Move in the list (J and K too)"],
  [["Home", "End"], "First and last of the list"],
  [["Enter"], "Open the run"],
  [["C"], "Copy the id of the open run"],
  [["R"], "Replay the open run"],
  [["X"], "Cancel the open run"],
  [["Ctrl", "Enter"], "Send what is written"],
  [["Esc"], "Close what is open"],
  [["?"], "These keys"],
];

export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
