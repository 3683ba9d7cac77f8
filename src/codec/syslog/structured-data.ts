import { setOwn } from "../own-key.ts";

const ELEMENT = /\[([^ =\]"]+)/y;
const PARAMETER = / +([^ =\]"]+)="((?:[^"\\\]]|\\[^])*)"/y;
const END = / *\]/y;

/**
 * Structured data of RFC 5424 section 6.3: `[id name="value" …][…]` as an object of objects. A backslash before `"`,
 * `\` or `]` is an escape, before others it stands for itself. Values of a name that is there again become a list.
 * Undefined for what is not structured data.
 */
export function parseStructuredData(text: string): Record<string, Record<string, unknown>> | undefined {
  const found: Record<string, Record<string, unknown>> = {};
  let at = 0;
  while (at < text.length) {
    const element = match(ELEMENT, text, at);
    if (element === null) return undefined;
    at = ELEMENT.lastIndex;
    const id = element[1]!;
    const parameters: Record<string, unknown> = Object.hasOwn(found, id) ? found[id]! : {};
    setOwn(found, id, parameters);
    for (let parameter = match(PARAMETER, text, at); parameter !== null; parameter = match(PARAMETER, text, at)) {
      at = PARAMETER.lastIndex;
      add(parameters, parameter[1]!, parameter[2]!.replace(/\\(["\\\]])/g, "$1"));
    }
    if (match(END, text, at) === null) return undefined;
    at = END.lastIndex;
  }
  return found;
}

function match(regex: RegExp, text: string, at: number): RegExpExecArray | null {
  regex.lastIndex = at;
  return regex.exec(text);
}

function add(parameters: Record<string, unknown>, name: string, value: string): void {
  const earlier = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  if (Array.isArray(earlier)) earlier.push(value);
  else setOwn(parameters, name, earlier === undefined ? value : [earlier, value]);
}
