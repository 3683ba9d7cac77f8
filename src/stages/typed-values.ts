import { notOfType, VALUE_CONVERTERS, VALUE_TYPES, type ValueConverter, type ValueType } from "../codec/value-type.ts";
import { t } from "../core/schema.ts";

/** The option `types` of parsers that find text only. */
export const TYPES_OPTION = {
  types: t.map(t.enum(VALUE_TYPES), {
    default: {},
    description:
      "Types of values by name; all others are text. `integer`: whole numbers up to 2^53. `boolean`: true, yes, on, 1 and their opposites, in any case. `ip`: checks that it is an address. A value that is not of its type is a failure.",
  }),
};

/** Changes values that a parser found to the types that the options say. */
export class TypedValues {
  readonly #names: readonly string[];
  readonly #types: readonly ValueType[];
  readonly #converters: readonly ValueConverter[];

  constructor(types: Readonly<Record<string, ValueType>>) {
    this.#names = Object.keys(types);
    this.#types = Object.values(types);
    this.#converters = this.#types.map((type) => VALUE_CONVERTERS[type]);
  }

  /** Changes the object's own values in place; returns why one is not of its type, or undefined. */
  convert(object: Record<string, unknown>): string | undefined {
    for (let i = 0; i < this.#names.length; i++) {
      const name = this.#names[i]!;
      if (!Object.hasOwn(object, name)) continue;
      const value = object[name];
      const converter = this.#converters[i]!;
      const converted = Array.isArray(value) ? value.map(converter) : converter(value);
      if (converted === undefined || (Array.isArray(converted) && converted.includes(undefined)))
        return notOfType(name, value, this.#types[i]!);
      object[name] = converted;
    }
    return undefined;
  }
}
