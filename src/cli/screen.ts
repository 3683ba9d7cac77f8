/** Where a command writes: the process's streams, or a test's strings. */
export interface Screen {
  /** Data. */
  out(text: string): void;
  /** Everything else. */
  err(text: string): void;
  readonly colour: boolean;
  /** A promise while the reader of `out` is behind; wait for it before writing much more. */
  ready?(): Promise<void> | undefined;
}

/** The process's own streams. */
export function processScreen(): Screen {
  const { stdout, stderr } = process;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    colour: wantsColour(stdout.isTTY, process.env),
    ready: () => (stdout.writableNeedDrain ? new Promise((resolve) => stdout.once("drain", resolve)) : undefined),
  };
}

/** FORCE_COLOR and NO_COLOR decide when they are not empty; otherwise terminals that can are given colour. */
export function wantsColour(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"]) return env["FORCE_COLOR"] !== "0";
  return isTerminal && env["TERM"] !== "dumb";
}

type Paint = (text: string) => string;

/** Functions that colour text, or leave it as it is. */
export function paint(colour: boolean): Record<"bold" | "dim" | "red" | "green" | "yellow" | "cyan", Paint> {
  const wrap =
    (open: number, close: number): Paint =>
    (text) =>
      colour ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
    cyan: wrap(36, 39),
  };
}

/** Text of an event made safe for a terminal: control characters are shown as escapes. */
export function visible(text: string): string {
  return text.replaceAll(
    /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
