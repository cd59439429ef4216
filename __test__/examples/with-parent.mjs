// Preloaded into the servers that tests start: they end with who started them, however that ends.

import process from "node:process";

process.on("disconnect", () => process.exit());
// Not a reason to stay, though: a server that was told to stop ends when nothing else holds it.
process.channel?.unref();
// What the server starts itself (`next dev` does) is its own matter: a program that waits for its first message would end.
process.execArgv.splice(process.execArgv.indexOf("--import"), 2);
