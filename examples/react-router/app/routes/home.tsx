import { Form, redirect, useNavigation } from "react-router";
import { tasks } from "trigger-native";
import { visitor } from "../visitor.server";
import type { Route } from "./+types/home";

const TASKS = [
  { id: "progress", title: "Progress", about: "The run’s metadata as it changes." },
  { id: "streamer", title: "Text as it is written", about: "A stream of the run." },
  { id: "approval", title: "Approval", about: "The run waits for a person." },
];

export async function action({ request }: Route.ActionArgs) {
  const task = String((await request.formData()).get("task"));
  if (!TASKS.some(({ id }) => id === task)) throw new Response("No such task", { status: 400 });
  const { tag, setCookie } = await visitor(request);
  const run = await tasks.trigger(task, { startedFrom: "react-router" }, { tags: tag });
  return redirect(`/runs/${run.id}`, { headers: { "set-cookie": setCookie } });
}

export default function Home() {
  const busy = useNavigation().state !== "idle";
  return (
    <>
      <header>
        <h1>Runs, live</h1>
        <p>An action starts a run, its page has a loader, and a resource route streams it.</p>
      </header>
      <div className="cards">
        {TASKS.map(({ id, title, about }) => (
          <Form method="post" className="card" key={id}>
            <h2>{title}</h2>
            <p>{about}</p>
            <button type="submit" name="task" value={id} disabled={busy}>
              Start
            </button>
          </Form>
        ))}
      </div>
    </>
  );
}
