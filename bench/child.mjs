// One measurement in a process of its own: `node bench/child.mjs <case> <client> <json>`.
// Prints one line of JSON.

const [name, client, json] = process.argv.slice(2);
const { measure } = await import(`./cases/${name}.mjs`);
const result = await measure[client](JSON.parse(json));
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
