import { compileTemplate, type Template } from "../../codec/template.ts";
import type { Placeholders } from "../../core/component.ts";
import type { Destination } from "./provision.ts";

const HOUR_MS = 3_600_000;
const SEPARATOR = "\u0000";

/** Group names take letters, digits and `.-_/#`; anything else that a placeholder brings becomes `_`. */
export function cleanGroupName(name: string): string {
  return name.replace(/[^.\-_/#A-Za-z0-9]/g, "_").slice(0, 512) || "_";
}

/** Stream names take all but `:` and `*`. */
export function cleanStreamName(name: string): string {
  return name.replace(/[:*\p{Cc}]/gu, "_").slice(0, 512) || "_";
}

/** The destination of events at a time; computed once an hour of event time, as templates change no faster. */
export function destinationText(group: Template, stream: Template): (timeMs: number) => string {
  let hour = NaN;
  let text = "";
  const at = (timeMs: number): string =>
    cleanGroupName(group.at(timeMs)) + SEPARATOR + cleanStreamName(stream.at(timeMs));
  if (group.constant !== undefined && stream.constant !== undefined) {
    const constant = at(0);
    return () => constant;
  }
  return (timeMs) => {
    const present = Math.floor(timeMs / HOUR_MS);
    if (present !== hour) {
      text = at(timeMs);
      hour = present;
    }
    return text;
  };
}

/** As `Sink.destinationOf`: what a stage names stands in place of the sink's own group, stream, or both. */
export function destinationsOf(
  own: { readonly logGroupName: string; readonly logStreamName: string },
  placeholders: Placeholders,
): (timeMs: number, named?: string) => string {
  const compile = (group: string, stream: string): ((timeMs: number) => string) =>
    destinationText(compileTemplate(group, placeholders), compileTemplate(stream, placeholders));
  const ownText = compile(own.logGroupName, own.logStreamName);
  const others = new Map<string, (timeMs: number) => string>();
  return (timeMs, named) => {
    if (named === undefined) return ownText(timeMs);
    let text = others.get(named);
    if (text === undefined) {
      const { log_group_name, log_stream_name } = JSON.parse(named) as Partial<Record<string, string>>;
      text = compile(log_group_name ?? own.logGroupName, log_stream_name ?? own.logStreamName);
      // `check` bounds how many there are; reloads may bring others for ever.
      if (others.size >= 1000) others.clear();
      others.set(named, text);
    }
    return text(timeMs);
  };
}

export function parseDestination(text: string): Destination {
  const end = text.indexOf(SEPARATOR);
  return { group: text.slice(0, end), stream: text.slice(end + 1) };
}

/** The text that `parseDestination` reads. */
export function destinationKey({ group, stream }: Destination): string {
  return group + SEPARATOR + stream;
}
