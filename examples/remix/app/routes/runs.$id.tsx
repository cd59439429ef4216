import type { LoaderFunctionArgs } from "@remix-run/node";
import { Link, useLoaderData } from "@remix-run/react";
import { Hooks } from "../hooks";
import { Live } from "../live";
import { runOf } from "../visitor.server";

/** The run at the time of the request, so that the server renders its state and no empty shell. */
export async function loader({ params, request }: LoaderFunctionArgs) {
  const { id, taskIdentifier, status, metadata } = await runOf(request, String(params.id));
  return { id, taskIdentifier, status, progress: Number(metadata?.progress ?? 0) };
}

export default function Run() {
  const run = useLoaderData<typeof loader>();
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
      </div>
    </>
  );
}
