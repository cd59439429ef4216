// What the documentation's examples import or use beside this package: other packages, and the reader's own app.

declare module "@remix-run/node" {
  export type LoaderFunctionArgs = { request: Request; params: Record<string, string | undefined> };
}

declare module "next" {
  export type NextConfig = { serverExternalPackages?: string[] };
}

declare module "vite" {
  type Config = { plugins?: unknown[]; ssr?: { noExternal?: true; external?: string[] } };
  export function defineConfig(config: Config): Config;
}

declare module "@react-router/dev/vite" {
  export function reactRouter(): unknown;
}

declare module "~/trigger/export" {
  export const exportTask: import("@trigger.dev/sdk").Task<"export", { project: string }, { url: string }>;
}

declare module "~/components/status" {
  export function Status(props: { id: string; token: string }): import("react").ReactNode;
}

declare module "~/lib/session" {
  export function userOf(request: Request): Promise<{ id: string }>;
}

// The app's own.
type AnyHandler = (...given: any[]) => unknown;
declare const app: { use(path: string, handler: AnyHandler): void; all(path: string, handler: AnyHandler): void };
declare const firstToken: string;
declare function fetchToken(): Promise<string>;
declare function show(text: string): void;
declare function userOf(request: Request): Promise<{ id: string } | undefined>;
