import { WiretailError } from "../core/error.ts";
import type { LogEvent } from "../core/event.ts";
import { Path } from "../core/path.ts";

/** Text with fields of the event in it: `{source.address}:{source.port}`. */
export interface FieldTemplate {
  /** The text, when it names no field. */
  readonly constant: string | undefined;
  readonly fields: readonly string[];
  /** What it is made of, in order. */
  readonly pieces: readonly (string | { readonly field: string })[];
  /** The text for an event; a template of one field and nothing else gives a copy of its value. Undefined when a field is absent. */
  readonly value: (event: LogEvent) => unknown;
}

/** Compiles a template; `{{` and `}}` are braces. Throws WT_FORMAT_INVALID with the position of what is wrong. */
export function compileFieldTemplate(text: string): FieldTemplate {
  const parts: (string | Path)[] = [];
  for (const match of text.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g)) {
    const [token, name] = match;
    const at = match.index + 1;
    if (token === "{{" || token === "}}") parts.push(token[0]!);
    else if (name === "") throw invalid(text, `"{}" at position ${at} names no field`);
    else if (name !== undefined) parts.push(new Path(name));
    else if (token === "{" || token === "}")
      throw invalid(text, `"${token}" at position ${at} has no partner; write "${token}${token}" for a brace`);
    else parts.push(token);
  }
  const fields = parts.flatMap((part) => (typeof part === "string" ? [] : [part.name]));
  const only = parts.length === 1 ? parts[0]! : "";
  return {
    constant: fields.length === 0 ? (parts as readonly string[]).join("") : undefined,
    fields,
    pieces: parts.map((part) => (typeof part === "string" ? part : { field: part.name })),
    value: typeof only === "string" ? (event) => fillIn(parts, event) : (event) => copyOf(event.get(only)),
  };
}

function invalid(text: string, message: string): WiretailError {
  return new WiretailError("WT_FORMAT_INVALID", `template ${JSON.stringify(text)}: ${message}`);
}

function fillIn(parts: readonly (string | Path)[], event: LogEvent): string | undefined {
  let out = "";
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (typeof part === "string") out += part;
    else {
      const value = event.get(part);
      if (value === undefined) return undefined;
      out += typeof value === "string" ? value : JSON.stringify(value);
    }
  }
  return out;
}

function copyOf(value: unknown): unknown {
  return typeof value === "object" && value !== null ? (JSON.parse(JSON.stringify(value)) as unknown) : value;
}
