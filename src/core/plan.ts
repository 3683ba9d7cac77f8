/**
 * What a stage does, said so that the specialiser (runtime/specialise) can put it into a compiled program. It must say
 * all of it: the program and `apply` have to give the same events. Where a program meets something unusual it leaves
 * the line to `apply`, so failures need no description.
 */
export type StagePlan =
  /** Fields out of text, by the first pattern that matches. The source field is removed, unless a capture fills it. */
  | {
      readonly kind: "parse_text";
      readonly field: string;
      readonly patterns: readonly TextPattern[];
      /** Keep the line as it was read in `event.original`. */
      readonly keepsOriginal: boolean;
      /** The source field stays. */
      readonly keepsField?: boolean;
      /** A text that is left out, with its event. */
      readonly drops?: string | undefined;
    }
  /** What a header line says, which events have in a field that the source gives. It is removed. */
  | { readonly kind: "by_header"; readonly field: string; readonly of: (header: string) => StagePlan | undefined }
  /** `key=value` pairs with white space between: the keys become fields; the source field is removed. */
  | ({ readonly kind: "parse_pairs"; readonly field: string; readonly keepsOriginal: boolean } & PairsPlan)
  /** The Common Event Format; what is captured in the header, and fields for extensions. */
  | ({ readonly kind: "parse_cef"; readonly field: string; readonly keepsOriginal: boolean } & CefPlan)
  /** The keys of a JSON object become fields; the source field is removed. */
  | { readonly kind: "parse_json"; readonly field: string; readonly keepsOriginal: boolean }
  | {
      readonly kind: "parse_time";
      readonly field: string;
      readonly target: string;
      readonly removesField: boolean;
      readonly reader: TimeReader;
    }
  | {
      readonly kind: "set";
      readonly fields: readonly (readonly [name: string, value: SetValue])[];
      readonly overwrites: boolean;
    }
  | {
      readonly kind: "rename";
      readonly moves: readonly (readonly [from: string, to: string])[];
      readonly needsAll: boolean;
    }
  /** All are read before any is set. */
  | {
      readonly kind: "copy";
      readonly moves: readonly (readonly [from: string, to: string])[];
      readonly needsAll: boolean;
      readonly overwrites: boolean;
    }
  | { readonly kind: "remove"; readonly fields: readonly string[] }
  /** Removes all fields but these, what they hold, and what the source gave. */
  | { readonly kind: "keep"; readonly fields: readonly string[] }
  /** Puts a constant, as JSON, in the place of fields that are there. */
  | { readonly kind: "replace"; readonly fields: readonly string[]; readonly json: string }
  | { readonly kind: "convert"; readonly fields: readonly (readonly [name: string, type: ConvertType])[] }
  /** KQL; `keeps`: what matches stays, otherwise it is left out. */
  | { readonly kind: "filter"; readonly query: string; readonly keeps: boolean };

export type ConvertType = "integer" | "float" | "boolean" | "string" | "ip";

/** A constant as JSON, or a text of constants and fields; a single field and nothing else is copied with its type. */
export type SetValue =
  { readonly json: string } | { readonly pieces: readonly (string | { readonly field: string })[] };

/** What `TextCapture.take` gives for a text that the stage refuses. */
export const UNFIT = Symbol("unfit");

export interface PairsPlan {
  /** One character of ASCII. */
  readonly between: string;
  /** Two of them at most. */
  readonly quotes: string;
  /** Words without a value are keys of `true`, or nothing, or the text is left to `apply`. */
  readonly bareWords: "true" | "skip" | "fail";
  readonly keepsEmpty: boolean;
  readonly types: readonly (readonly [key: string, type: ConvertType])[];
}

export interface CefPlan {
  /** Groups 1 to 7 are the parts of the header; 8 is the severity where it is a number, otherwise 9 is. */
  readonly header: readonly TextCapture[];
  /** Values that do not fit leave the line to `apply`. */
  readonly extensions: readonly (readonly [key: string, field: string, take: CefTake])[];
  /** Field for an object of all others, as text. */
  readonly rest: string;
  /** The extension that holds the event's time. */
  readonly time: { readonly key: string; readonly reader: TimeReader };
}

/** `lower`: text in small letters. `integer`: 15 digits at most. A function: undefined where the text does not fit. */
export type CefTake = "text" | "lower" | "integer" | "ip" | ((text: string) => unknown);

/** Ways to cut a text into groups, from 1, that need no regular expression. Whatever is unusual does not match. */
export type TextCut =
  /**
   * As many values as columns between `delimiter`s, quoted ones without their quotes (`""`: there are none). Matches no
   * text that begins with `beginning`, or has one of `without` in it. All are single characters of ASCII, or empty;
   * `without` has two at most.
   */
  | {
      readonly kind: "separated";
      readonly delimiter: string;
      readonly quote: string;
      readonly columns: number;
      readonly beginning: string;
      readonly without: string;
    }
  /** A URL, or what stands behind its host: scheme, user, host, port, path, extension, query, fragment. */
  | { readonly kind: "url" };

/** A regular expression, or another way to cut, whose captures become fields. */
export interface TextPattern {
  /** JavaScript's syntax, no flags, no names. */
  readonly source: string | TextCut;
  readonly captures: readonly TextCapture[];
  /** Fields that get a copy of another one that was captured, where that is an IP address. */
  readonly ips: readonly (readonly [from: string, to: string])[];
  /** Groups that must take part; where one does not, `apply` decides what to do. */
  readonly needs: readonly number[];
  /** `through`: the text reaches to the end of that group. */
  readonly time: { readonly group: number; readonly through?: number; readonly reader: TimeReader } | undefined;
  /** A text that means that there is no value, beside the empty one; for captures of other kinds than `text`. */
  readonly absent: string;
  /** What backslashes mean in captures of other kinds than `text`. */
  readonly escape: "none" | "hex" | "json";
}

/** A pattern that is a regular expression. */
export interface RegexPattern extends TextPattern {
  readonly source: string;
}

export interface TextCapture {
  readonly group: number;
  readonly field: string;
  /**
   * `text`: whatever was captured. `present`: text, unescaped, unless it is absent. `integer`: the same for digits.
   * A function: the field's value, undefined for none, or UNFIT, of the unescaped text, which is not empty.
   */
  readonly take: "text" | "present" | "integer" | ((text: string) => unknown);
  /** What it is converted to; where it is not plainly of that type the line is left to `apply`. */
  readonly type?: ConvertType | undefined;
}

export interface TimeReader {
  /** Milliseconds since the epoch, NaN when the text is no time. */
  readonly read: (text: string) => number;
  /** The same text may mean another time a minute later (there is no year or date in it). */
  readonly dependsOnClock: boolean;
}
