/**
 * A component's options are described once, by a JSON Schema made here. Ajv validates with it and fills in defaults,
 * the reference page and editor completion are generated from it, and `Infer` gives the TypeScript type of the
 * validated options (so every property with a default is present).
 *
 * Own code rather than TypeBox or json-schema-to-ts: docs/decisions/0002-schema-types.md.
 */

/** A JSON Schema (draft-07 vocabulary) with our annotations. `x-` keys are for docs and checks, not for Ajv. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  /** The value is a secret: `{ "$env" }` or `{ "$file" }` are the ways to give it, and it is never printed. */
  readonly "x-secret"?: boolean;
  /** The value is a KQL query, a regular expression, a path template…: `check` compiles it. */
  readonly "x-syntax"?: "kql" | "regex" | "time_format" | "template" | "field" | "path" | "glob";
  /** Part of what makes a source or sink the same one, whatever its name: checkpoints go by a hash of these (docs/delivery.md). */
  readonly "x-identity"?: boolean;
}

declare const typeTag: unique symbol;
/** A schema that remembers the type of the values it accepts. */
export interface Schema<T> extends JsonSchema {
  readonly [typeTag]?: T;
}
/** The type of the validated value: what a component's `create` is given. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

type Annotations<T> = Omit<JsonSchema, "type" | "properties" | "required" | "items" | "default"> & { default?: T };
interface Optional<T> {
  readonly schema: Schema<T>;
  readonly optional: true;
}
type Properties = Readonly<Record<string, Schema<unknown> | Optional<unknown>>>;
type RequiredKeys<P> = { [K in keyof P]: P[K] extends Optional<unknown> ? never : K }[keyof P];
type ObjectOf<P> = { [K in RequiredKeys<P>]: Infer<P[K]> } & {
  [K in Exclude<keyof P, RequiredKeys<P>>]?: P[K] extends Optional<infer T> ? T : never;
};

const make = <T>(base: JsonSchema, annotations: Annotations<T> | undefined): Schema<T> => ({ ...base, ...annotations });

export const t = {
  string: (a?: Annotations<string>): Schema<string> => make({ type: "string" }, a),
  /** A string that may be given as `{ "$env": NAME }` or `{ "$file": PATH }`; validated after it was resolved. */
  secret: (a?: Annotations<string>): Schema<string> => make({ type: "string", "x-secret": true }, a),
  integer: (a?: Annotations<number>): Schema<number> => make({ type: "integer" }, a),
  number: (a?: Annotations<number>): Schema<number> => make({ type: "number" }, a),
  boolean: (a?: Annotations<boolean>): Schema<boolean> => make({ type: "boolean" }, a),
  any: (a?: Annotations<unknown>): Schema<unknown> => make({}, a),
  enum: <const V extends readonly (string | number)[]>(values: V, a?: Annotations<V[number]>): Schema<V[number]> =>
    make({ enum: values }, a),
  array: <T>(items: Schema<T>, a?: Annotations<T[]>): Schema<T[]> => make({ type: "array", items }, a),
  map: <T>(values: Schema<T>, a?: Annotations<Record<string, T>>): Schema<Record<string, T>> =>
    make({ type: "object", additionalProperties: values }, a),
  anyOf: <const S extends readonly Schema<unknown>[]>(
    schemas: S,
    a?: Annotations<Infer<S[number]>>,
  ): Schema<Infer<S[number]>> => make({ anyOf: schemas }, a),
  /** Marks a property of `object` that may be absent and has no default. */
  optional: <T>(schema: Schema<T>): Optional<T> => ({ schema, optional: true }),
  /** A closed object: unknown keys are errors. A property with a default may be left out by the user. */
  object: <const P extends Properties>(properties: P, a?: Annotations<ObjectOf<P>>): Schema<ObjectOf<P>> => {
    const schemas: Record<string, JsonSchema> = {};
    const required: string[] = [];
    for (const [name, property] of Object.entries(properties)) {
      const isOptional = "optional" in property;
      const schema: JsonSchema = isOptional ? property.schema : property;
      schemas[name] = schema;
      if (!isOptional && schema.default === undefined) required.push(name);
    }
    return make({ type: "object", properties: schemas, required, additionalProperties: false }, a);
  },
};
