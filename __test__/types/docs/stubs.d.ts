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

declare module "vitest" {
  export function beforeAll(work: () => unknown): void;
  export function afterAll(work: () => unknown): void;
  export function test(name: string, work: () => unknown): void;
  export function expect(value: unknown): { toEqual(other: unknown): void };
}

declare module "@playwright/test" {
  type Server = { command: string; url: string; env?: Record<string, string> };
  export function defineConfig(config: { use: { baseURL: string }; webServer: Server[] }): unknown;
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
type Parsers = { removeAllContentTypeParsers(): void; addContentTypeParser(type: string, parser: AnyHandler): void };
type Routes = { all(path: string, handler: AnyHandler): void };
declare const app: {
  use(...given: (string | AnyHandler)[]): void;
  register(plugin: (scope: Parsers & Routes) => unknown): void;
};
declare const relay: { node: AnyHandler };
declare function defineEventHandler<T extends AnyHandler>(handler: T): T;
declare function getRouterParam(event: unknown, name: string): string | undefined;
declare const firstToken: string;
declare function fetchToken(): Promise<string>;
declare function show(text: string): void;
declare function userOf(request: Request): Promise<{ id: string } | undefined>;
