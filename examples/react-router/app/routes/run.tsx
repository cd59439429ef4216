import { Link } from "react-router";
import { Hooks } from "../hooks";
import { Live } from "../live";
import { OneConnection } from "../one-connection";
import { runOf } from "../visitor.server";
import type { Route } from "./+types/run";

/** The run at the time of the request, so that the server renders its state and no empty shell. */
export async function loader({ params, request }: Route.LoaderArgs) {
  const { id, taskIdentifier, status, metadata } = await runOf(request, params.id);
  return { id, taskIdentifier, status, progress: Number(metadata?.progress ?? 0) };
}

export default function Run({ loaderData: run }: Route.ComponentProps) {
  return (
    <>
      <header>
        <h1>{run.taskIdentifier}</h1>
        <p>
          <Link to="/">Start another</Link>
        </p>
      </header>
      <div className="cards" key={run.id}>
        <Live run={run} />
        <Hooks run={run} />
        <OneConnection run={run} />
      </div>
    </>
  );
}
