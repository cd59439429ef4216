import { useLayoutEffect, useRef } from "react";
import { shown } from "./shown.mjs";

/** What the document showed after each commit, in order. The tests read it. */
const states = [];
window.states = states;

/** The fields of the document, read back from it. */
function readBack(section) {
  const fields = [...section.querySelectorAll("[data-field]")];
  return Object.fromEntries(fields.map((field) => [field.dataset.field, JSON.parse(field.textContent)]));
}

/** What a hook gave, one field after the other. */
export function Fields({ hook, values, children }) {
  const section = useRef(null);
  // After every commit, before the browser paints: no state that was in the document is missed.
  useLayoutEffect(() => {
    const state = readBack(section.current);
    if (JSON.stringify(state) !== JSON.stringify(states.at(-1))) states.push(state);
  });
  const fields = Object.entries(shown(values));
  return (
    <section ref={section} aria-label={hook}>
      <h2>{hook}</h2>
      {values.run && <Progress run={values.run} />}
      <dl>
        {fields.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <pre data-field={name}>{JSON.stringify(value, null, 1)}</pre>
            </dd>
          </div>
        ))}
      </dl>
      {children}
    </section>
  );
}

function Progress({ run }) {
  const progress = run.metadata?.progress;
  return (
    <p>
      <strong className="status">{run.status}</strong>
      {typeof progress === "number" && <progress max="100" value={progress} />}
    </p>
  );
}
