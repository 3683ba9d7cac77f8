import type { TextPattern } from "../../core/plan.ts";
import { isIp } from "../ip.ts";
import { diagnosis, protectAgainstBacktracking } from "../pattern.ts";
import { compileTimeFormat, type TimeParser } from "../time/format.ts";
import { toDecimal, toInteger, toList, unescapeHex, unescapeJson } from "./convert.ts";
import { compileFill, type Fill, type FillStep } from "./fill-code.ts";
import { parseNginxDefinition, type NginxEscape } from "./definition.ts";
import { nginxPlan } from "./plan.ts";
import { nginxRegex, type NginxCapture } from "./line-regex.ts";
import { isStreamFormat, lookUp, nginxField, NGINX_TIMES, type NginxConversion } from "./variables.ts";

/**
 * A parser for the lines of one nginx log format. Two steps, so that a line that fails leaves an event as it was:
 * `match` finds the captures and the time, `fill` writes the values.
 */
export class NginxLineParser {
  /** Names of the fields that it may give. */
  readonly fields: readonly string[];
  /** Whether the format has a time. */
  readonly hasTime: boolean;
  /** After `match`: the line's time in milliseconds since the epoch; NaN without one. */
  timeMs = NaN;

  readonly #regex: RegExp;
  readonly #steps: readonly FillStep[];
  readonly #fillPlain: Fill;
  readonly #timeGroup: number;
  readonly #timeName: string | undefined;
  readonly #parseTime: TimeParser | undefined;
  readonly #escape: NginxEscape;
  readonly #absent: string;
  readonly #diagnose: (text: string) => string;

  /** `format`: see parseNginxDefinition; `escape` wins over the directive's own. Throws WT_FORMAT_INVALID. */
  constructor(format: string, escape?: NginxEscape) {
    protectAgainstBacktracking();
    const definition = parseNginxDefinition(format, escape);
    const variables = definition.pieces.filter((piece) => typeof piece !== "string");
    const names = variables.map(({ variable }) => variable);
    const isStream = isStreamFormat(names);
    const timeName = Object.keys(NGINX_TIMES).find((name) => names.includes(name));
    const fields: string[] = [];
    const claim = (name: string): number => {
      const isTaken = fields.some(
        (other) => other === name || other.startsWith(name + ".") || name.startsWith(other + "."),
      );
      return isTaken ? -1 : fields.push(name) - 1;
    };
    const steps: (Omit<FillStep, "group"> | undefined)[] = [];
    const captures: NginxCapture[] = variables.map(({ variable: name, position }, i) => {
      const time = lookUp(NGINX_TIMES, name);
      if (time !== undefined) {
        const isCaptured = name === timeName && names.indexOf(name) === i;
        return { name, position, shape: time.shape, isRequest: false, isCaptured };
      }
      const { shape, ...known } = nginxField(name, isStream);
      let { conversion, fields: targets } = known;
      let at = conversion === "nothing" ? [] : targets.map(claim);
      if (conversion !== "nothing" && at.every((index) => index < 0)) {
        // Two variables for one field: the first keeps it.
        conversion = "text";
        targets = [`nginx.${name}`];
        at = targets.map(claim);
      }
      const isCaptured = at.some((index) => index >= 0);
      if (isCaptured) steps[i] = { conversion, at };
      return { name, position, shape, isRequest: conversion === "request", isCaptured };
    });
    const { source, groups, beginnings } = nginxRegex(definition, captures);
    this.fields = fields;
    this.hasTime = timeName !== undefined;
    this.#regex = new RegExp(source);
    this.#steps = steps.flatMap((step, i) => (step === undefined ? [] : [{ ...step, group: groups[i]! }]));
    this.#timeName = timeName;
    this.#timeGroup = timeName === undefined ? 0 : groups[names.indexOf(timeName)]!;
    // An nginx time always has its zone, so the clock is never asked.
    this.#parseTime =
      timeName === undefined ? undefined : compileTimeFormat(NGINX_TIMES[timeName]!.format, { now: () => 0 });
    this.#escape = definition.escape;
    this.#absent = definition.escape === "default" ? "-" : "";
    this.#fillPlain = compileFill(this.#steps, this.#absent, (step, match, values, slots) => {
      this.#fillStep(this.#steps[step]!, match, false, values, slots);
    });
    this.#diagnose = diagnosis(beginnings);
  }

  /** What `match` and `fill` do, as a plan. */
  get plan(): TextPattern {
    const group = this.#timeGroup;
    const time =
      this.#parseTime === undefined ? undefined : { group, reader: { read: this.#parseTime, dependsOnClock: false } };
    const own = Int32Array.of(0, 1, 2);
    const rare = ({ conversion }: FillStep, text: string): readonly unknown[] => {
      const values: unknown[] = [];
      fillRare(conversion, this.#escape === "none" ? text : this.#unescape(text), this.#absent, [0, 1, 2], values, own);
      return values;
    };
    return nginxPlan(this.#regex.source, this.#steps, this.fields, time, this.#escape, rare);
  }

  /** The regular expression, for checks and documentation. */
  get source(): string {
    return this.#regex.source;
  }

  /** The captures of a line, or null when it does not fit or its time is none (`explain` says which). */
  match(line: string): RegExpExecArray | null {
    const match = this.#regex.exec(line);
    if (match !== null && this.#parseTime !== undefined) {
      this.timeMs = this.#parseTime(match[this.#timeGroup]!);
      if (this.timeMs !== this.timeMs) return null;
    }
    return match;
  }

  /** Why `match` refused a line. */
  explain(line: string): string {
    const match = this.#regex.exec(line);
    if (match === null) return this.#diagnose(line).replace("the pattern", "the log format");
    return `$${this.#timeName!} ${JSON.stringify(match[this.#timeGroup]!.slice(0, 60))} is not a time`;
  }

  /** Writes the value of field i to `values[slots[i]]`; absent ones (`-`) are not written. */
  fill(match: RegExpExecArray, values: unknown[], slots: Int32Array): void {
    if (this.#escape === "none" || !match[0].includes("\\")) {
      this.#fillPlain(match, values, slots);
      return;
    }
    const steps = this.#steps;
    for (let i = 0; i < steps.length; i++) this.#fillStep(steps[i]!, match, true, values, slots);
  }

  #fillStep(step: FillStep, match: RegExpExecArray, isEscaped: boolean, values: unknown[], slots: Int32Array): void {
    const { conversion, group, at } = step;
    if (conversion === "request") {
      this.#fillRequest(match, group, at, isEscaped, values, slots);
      return;
    }
    let text = match[group]!;
    if (text === this.#absent || text === "") return;
    if (isEscaped) text = this.#unescape(text);
    const first = at[0]!;
    switch (conversion) {
      case "text":
        values[slots[first]!] = text;
        return;
      case "integer": {
        const value = toInteger(text);
        if (value === value) values[slots[first]!] = value;
        return;
      }
      case "address":
        if (first >= 0) values[slots[first]!] = text;
        if (at[1]! >= 0 && isIp(text)) values[slots[at[1]!]!] = text;
        return;
      default:
        fillRare(conversion, text, this.#absent, at, values, slots);
    }
  }

  #unescape(text: string): string {
    return this.#escape === "json" ? unescapeJson(text) : unescapeHex(text);
  }

  #fillRequest(
    match: RegExpExecArray,
    group: number,
    at: readonly number[],
    isEscaped: boolean,
    values: unknown[],
    slots: Int32Array,
  ): void {
    let method = match[group];
    let url = match[group + 1];
    let version = match[group + 2];
    if (method === undefined) {
      const raw = match[group + 3]!;
      if (raw === this.#absent || raw === "") return;
      const line = isEscaped ? this.#unescape(raw) : raw;
      // Old nginx let spaces into URLs.
      const parts = /^([A-Za-z][\w-]*) (.*) HTTP\/([0-9.]+)$/.exec(line);
      if (parts === null) {
        if (at[3]! >= 0) values[slots[at[3]!]!] = line;
        return;
      }
      method = parts[1]!;
      url = parts[2]!;
      version = parts[3]!;
    } else if (isEscaped) url = this.#unescape(url!);
    if (at[0]! >= 0) values[slots[at[0]!]!] = method;
    if (at[1]! >= 0) values[slots[at[1]!]!] = url;
    if (at[2]! >= 0) values[slots[at[2]!]!] = version;
  }
}

function fillRare(
  conversion: NginxConversion,
  text: string,
  absent: string,
  at: readonly number[],
  values: unknown[],
  slots: Int32Array,
): void {
  const put = (k: number, value: unknown): void => {
    if (at[k]! >= 0 && value !== undefined && value === value) values[slots[at[k]!]!] = value;
  };
  switch (conversion) {
    case "lower":
      return put(0, text.toLowerCase());
    case "decimal":
      return put(0, toDecimal(text));
    case "duration":
      return put(0, Math.round(toDecimal(text) * 1e9));
    case "http_version":
      return put(0, text.startsWith("HTTP/") ? text.slice(5) : text);
    case "host": {
      const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text);
      put(0, parts === null ? text : parts[1]);
      return put(1, parts?.[2] === undefined ? undefined : toInteger(parts[2]));
    }
    case "tls_version": {
      const parts = /^(TLS|SSL)v(.+)$/.exec(text);
      put(0, parts === null ? text : parts[2]);
      return put(1, parts?.[1]!.toLowerCase());
    }
    case "resumed":
      return put(0, text === "r" ? true : text === "." ? false : undefined);
    case "texts":
      return put(0, toList(text, absent, false));
    case "numbers":
      return put(0, toList(text, absent, true));
    default:
      return put(0, text);
  }
}
