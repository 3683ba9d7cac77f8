import type { TextCapture, TextPattern, TimeReader } from "../../core/plan.ts";
import { isIp } from "../ip.ts";
import type { NginxEscape } from "./definition.ts";
import type { FillStep } from "./fill-code.ts";

/** What a parser of one log format does, as a plan. `fields` by the indexes in `steps`; `rare` does other conversions. */
export function nginxPlan(
  source: string,
  steps: readonly FillStep[],
  fields: readonly string[],
  time: { readonly group: number; readonly reader: TimeReader } | undefined,
  escape: NginxEscape,
  rare: (step: FillStep, text: string) => readonly unknown[],
): TextPattern {
  const captures: TextCapture[] = [];
  const ips: [string, string][] = [];
  const needs: number[] = [];
  for (const step of steps) {
    const { conversion, group, at } = step;
    const capture = (k: number, offset: number, take: TextCapture["take"]): void => {
      if ((at[k] ?? -1) >= 0) captures.push({ group: group + offset, field: fields[at[k]!]!, take });
    };
    if (conversion === "text") capture(0, 0, "present");
    else if (conversion === "integer") capture(0, 0, "integer");
    else if (conversion === "address") {
      capture(0, 0, "present");
      const [address, ip] = [fields[at[0]!], fields[at[1]!]];
      if (ip !== undefined && address !== undefined) ips.push([address, ip]);
      else capture(1, 0, (text) => (isIp(text) ? text : undefined));
    } else if (conversion === "request") {
      needs.push(group);
      for (const k of [0, 1, 2]) capture(k, k, "text");
    } else at.forEach((_, k) => capture(k, 0, (text) => rare(step, text)[k]));
  }
  return { source, captures, ips, needs, time, absent: escape === "default" ? "-" : "", escape: ESCAPES[escape] };
}

const ESCAPES = { default: "hex", json: "json", none: "none" } as const;
