import type { FieldSpan } from "../packet/field-spans.ts";
import { redactHeader, redactUrl } from "../packet/http/redact.ts";
import { paint, visible, type Terminal } from "./terminal.ts";

/** A field with what stands there: bytes, or, where a credential was taken out, text. */
export interface FieldValue extends FieldSpan {
  readonly bytes: Uint8Array;
  readonly redacted: string | undefined;
}

/** More bytes of a field are not shown in a table. */
const SHOWN_BYTES = 16;
export const FIELD_TABLE_HEADER = `${"offset".padStart(6)}  ${"length".padStart(6)}  ${"field".padEnd(36)}  bytes`;

/** The fields of a frame with their bytes; credentials of HTTP only when asked for. */
export function fieldValues(
  frame: Uint8Array,
  spans: readonly FieldSpan[],
  showCredentials: boolean,
): readonly FieldValue[] {
  return spans.map((span) => {
    const bytes = frame.subarray(span.offset, span.offset + span.length);
    return { ...span, bytes, redacted: showCredentials ? undefined : withoutCredentials(span.name, bytes) };
  });
}

/** Undefined where there is nothing to hide. */
function withoutCredentials(name: string, bytes: Uint8Array): string | undefined {
  if (!name.startsWith("http.")) return undefined;
  const text = Buffer.from(bytes).toString("latin1").trimEnd();
  if (name === "http.request.uri") return differs(text, redactUrl(text));
  const colon = text.indexOf(":");
  if (!name.endsWith(".line") || colon < 0) return undefined;
  const value = text.slice(colon + 1).trim();
  const clean = redactHeader(text.slice(0, colon).trim().toLowerCase(), value);
  return clean === value ? undefined : `${text.slice(0, colon)}: ${clean}`;
}

function differs(text: string, clean: string): string | undefined {
  return clean === text ? undefined : clean;
}

/** A field as one line of a table; text from the wire is made harmless for a terminal. */
export function fieldLine({ name, offset, length, bytes, redacted }: FieldValue, terminal: Terminal): string {
  const cells = [String(offset).padStart(6), String(length).padStart(6), name.padEnd(36)];
  const shown = Buffer.from(bytes.subarray(0, SHOWN_BYTES));
  const hex = shown.toString("hex").replace(/..(?=.)/g, "$& ");
  const rest = bytes.length > SHOWN_BYTES ? " …" : "";
  const isText =
    bytes.length >= 2 && shown.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 13 || byte === 10);
  const text = isText ? `  ${paint(terminal, "dim", visible(Buffer.from(bytes).toString("latin1").trimEnd()))}` : "";
  return [...cells, redacted === undefined ? `${hex}${rest}${text}` : visible(redacted)].join("  ").trimEnd();
}

/** The same for programs: bytes as hexadecimal digits, or text without the credential. */
export function fieldJson({ name, offset, length, bytes, redacted }: FieldValue): Record<string, unknown> {
  const value = redacted === undefined ? { hex: Buffer.from(bytes).toString("hex") } : { redacted };
  return { name, offset, length, ...value };
}
