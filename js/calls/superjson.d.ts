// The part of superjson's copy that is used (scripts/superjson.mjs). `any`: JSON of a shape that the value decides.

/** An instance of superjson, with types of its own. */
export class SuperJSON {
  static stringify(value: unknown): string;
  parse(text: string): any;
  serialize(value: unknown): { json: any; meta?: any };
  registerCustom(transformer: object, name: string): void;
}
