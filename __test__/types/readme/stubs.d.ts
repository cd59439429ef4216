// What the README's examples import beside this package.

declare module "@remix-run/node" {
  export type LoaderFunctionArgs = { request: Request; params: Record<string, string | undefined> };
}

declare module "~/trigger/export" {
  export const exportTask: import("@trigger.dev/sdk").Task<"export", { project: string }, { url: string }>;
}
