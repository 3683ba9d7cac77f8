import { getIn } from "../../core/path.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import { compileGetterPredicate, type Getter } from "../../codec/kql/predicate.ts";
import { letterName, type DeadLetter } from "./letter.ts";

/** Fields of a letter that a query may name without `dead_letter.`; an event's own field of that name comes first. */
const SHORT = new Set(["name", "pipeline", "sink", "stage", "reason", "id", "at"]);

/**
 * Compiles a query over dead letters, in KQL: fields of the event as everywhere, what the letter says of it under
 * `dead_letter.` (name, at, pipeline, sink, stage, source, reason, id, replays), most of that without the prefix too. A
 * bare word looks into the message, or into the original line where there is none. The empty query is true for all.
 *
 * Throws KqlSyntaxError.
 */
export function compileLetterQuery(query: string): (letter: DeadLetter) => boolean {
  const test = compileGetterPredicate(parseKql(query));
  return (letter) => test(getterOf(letter));
}

function getterOf(letter: DeadLetter): Getter {
  const { event, original, text } = letter;
  return ({ name, parts }) => {
    const own = getIn(event, parts, 0);
    if (own !== undefined) return own;
    if (name === "message") return text ?? original;
    if (name === "@timestamp") return letter.time;
    const field = parts[0] === "dead_letter" ? parts[1] : SHORT.has(name) ? name : undefined;
    if (field === undefined || (parts[0] === "dead_letter" && parts.length !== 2)) return undefined;
    if (field === "name") return letterName(letter);
    return Object.hasOwn(letter, field) ? (letter as unknown as Record<string, unknown>)[field] : undefined;
  };
}
