import { styleText } from "node:util";

/** What is known about the stream that a command prints to. */
export interface Terminal {
  readonly isTerminal: boolean;
  readonly hasColor: boolean;
  /** Columns to fill; 80 when it cannot be known. */
  readonly width: number;
  readonly hasUnicode: boolean;
}

type Style = Parameters<typeof styleText>[0];

/**
 * Colour is off for `NO_COLOR` (not empty), `TERM=dumb`, `--no-color` and non-terminals; `FORCE_COLOR` turns it on.
 * `COLUMNS` is honoured.
 */
export function terminalOf(
  stream: { isTTY?: boolean; columns?: number },
  environment: Readonly<Record<string, string | undefined>>,
  noColor = false,
): Terminal {
  const isTerminal = stream.isTTY === true;
  const said = (name: string): string => environment[name] ?? "";
  const forced = said("FORCE_COLOR") !== "" && said("FORCE_COLOR") !== "0";
  const refused = noColor || said("NO_COLOR") !== "" || said("TERM") === "dumb";
  const columns = Number(said("COLUMNS"));
  const locale = said("LC_ALL") || said("LC_CTYPE") || said("LANG");
  return {
    isTerminal,
    hasColor: !refused && (forced || isTerminal),
    width: Number.isInteger(columns) && columns > 0 ? columns : (stream.columns ?? 80),
    hasUnicode: locale === "" || /utf-?8/i.test(locale),
  };
}

/** Text in a style where there is colour. */
export function paint(terminal: Pick<Terminal, "hasColor">, style: Style, text: string): string {
  return terminal.hasColor ? styleText(style, text, { validateStream: false }) : text;
}

/**
 * Makes text harmless for a terminal: control characters become visible (`␛`, `␊`), except colours (SGR) where
 * `keepColors`. Log text is somebody else's: it must not move the cursor, set titles or reach the clipboard.
 */
export function visible(text: string, keepColors = false): string {
  if (!/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(text)) return text;
  let styled = false;
  const shown = text.replace(/\u001b\[[0-9;:]*m|[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (found) => {
    if (found.length > 1) {
      styled = true;
      return keepColors ? found : "";
    }
    const code = found.charCodeAt(0);
    if (code === 9) return "  ";
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return styled && keepColors ? `${shown}\u001b[0m` : shown;
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LEVELS = "▁▂▃▄▅▆▇█";
const ASCII_LEVELS = " .:-=+*#";

/** A horizontal bar, `width` cells long for a share of 1, with eighths of a cell. Never empty for a share above 0. */
export function bar(share: number, width: number, hasUnicode = true): string {
  if (!(share > 0)) return "";
  if (!hasUnicode) return "#".repeat(Math.max(1, Math.round(share * width)));
  const eighths = Math.max(1, Math.round(Math.min(1, share) * width * 8));
  return "█".repeat(eighths >> 3) + EIGHTHS[eighths & 7]!;
}

/** One character a value, as high as its share of the highest one. Zero is the lowest mark. */
export function sparkline(values: readonly number[], hasUnicode = true): string {
  const marks = hasUnicode ? LEVELS : ASCII_LEVELS;
  const highest = Math.max(...values, 0);
  return values
    .map((value) =>
      highest === 0 ? marks[0]! : marks[Math.min(7, value <= 0 ? 0 : Math.ceil((value / highest) * 8) - 1)]!,
    )
    .join("");
}

/** `1,234,567` */
export function formatCount(count: number): string {
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `512 B`, `1.4 MB` (powers of 1000) */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  return `${unit === 0 || bytes >= 99.5 ? bytes.toFixed(0) : bytes.toFixed(1)} ${units[unit]!}`;
}

/** Made when it is needed: that takes 10 ms. */
let segmenter: Intl.Segmenter | undefined;

/** Cells that a text takes: East Asian wide characters and emoji two, combining ones none; styles are not counted. */
export function displayWidth(text: string): number {
  const plain = text.replace(/\u001b\[[0-9;:]*m/g, "");
  if (/^[\u0020-\u007e]*$/.test(plain)) return plain.length;
  segmenter ??= new Intl.Segmenter();
  let width = 0;
  for (const { segment } of segmenter.segment(plain)) {
    width +=
      /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        segment,
      )
        ? 2
        : /^\p{M}/u.test(segment)
          ? 0
          : 1;
  }
  return width;
}

export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

/** Lines of cells under each other, two spaces between columns; the last column is not padded. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, displayWidth(cell))));
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : padEnd(cell, widths[i]!))).join("  "));
}

/**
 * Writes to a stream that may be closed from the other side (`| head`) or be slow: `write` resolves with false when
 * nobody reads any more, and waits while the stream is full.
 */
export function quietWriter(stream: NodeJS.WritableStream): (text: string | Uint8Array) => Promise<boolean> {
  let closed = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") closed = true;
    else throw error;
  });
  return (text) =>
    new Promise((resolve) => {
      if (closed) return resolve(false);
      stream.write(text, () => resolve(!closed));
    });
}
