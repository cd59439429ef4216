// The smallest program that uses a package: `node bench/cold.cjs <client> <goal> [url]`. Prints the time from the start of
// the process to the goal, and its cost. A CommonJS file of its own loads nothing else.

const [client, goal, url] = process.argv.slice(2);

const report = () => {
  const millis = performance.now();
  const { user, system } = process.cpuUsage();
  const status = require("node:fs").readFileSync("/proc/self/status", "latin1");
  const rss = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]);
  process.stdout.write(`${JSON.stringify({ millis, cpuMillis: (user + system) / 1000, rss })}\n`, () =>
    process.exit(0),
  );
};

async function main() {
  if (client !== "node") {
    const sdk = require(client === "ours" ? "../index.js" : "@trigger.dev/sdk");
    sdk.configure({ baseURL: url, accessToken: "tr_dev_benchbenchbenchbench00" });
    if (goal === "token") {
      await sdk.auth.createPublicToken({ scopes: { read: { runs: ["run_1234567890"] } }, expirationTime: "1h" });
    } else {
      for await (const run of sdk.runs.subscribeToRun("run_hold_cold_0_0_60000_0")) if (run.id) break;
    }
  }
  report();
}

main();
