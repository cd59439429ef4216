// Preloaded into the servers that tests start: they end with who started them, however that ends.

import process from "node:process";

process.on("disconnect", () => process.exit());
// Not a reason to stay, though: a server that was told to stop ends when nothing else holds it.
process.channel?.unref();
