// What of superjson's copy is used (scripts/superjson.mjs).

/** An instance of superjson, with types of its own. */
export class SuperJSON {
  static stringify(value: unknown): string;
  parse(text: string): any;
  serialize(value: unknown): { json: any; meta?: any };
  registerCustom(transformer: object, name: string): void;
}
