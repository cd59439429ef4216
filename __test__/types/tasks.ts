// Real tasks of the official SDK, of each kind, that the other files infer from.

import { schemaTask, task } from "@trigger.dev/sdk";
import { z } from "zod";

export const resize = task({
  id: "resize",
  run: async (payload: { url: string; width?: number }) => ({ bytes: payload.url.length, at: new Date() }),
});

export const nothing = task({ id: "nothing", run: async () => {} });

export const validated = schemaTask({
  id: "validated",
  schema: z.object({ name: z.string(), age: z.coerce.number() }),
  run: async (payload) => `${payload.name} is ${payload.age}`,
});
