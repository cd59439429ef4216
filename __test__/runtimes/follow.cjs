"use strict";

// What every runtime has to do: mint a token, trigger a run, follow it to its end.

/** @param {typeof import("trigger-native")} sdk @param {{ url: string, secretKey: string }} server */
module.exports = async function follow({ auth, runs, tasks }, { url, secretKey }) {
  return auth.withAuth({ baseURL: url, accessToken: secretKey }, async () => {
    const { id } = await tasks.trigger("hello", { from: "a runtime" });
    const token = await auth.createPublicToken({ scopes: { read: { runs: [id] } } });
    let last;
    for await (const run of runs.subscribeToRun(id)) last = run;
    return [token.split(".").length, last.status, last.output.echo.from];
  });
};
