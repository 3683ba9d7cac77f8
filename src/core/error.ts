/**
 * The one error class of the agent.
 *
 * `code` is `WT_<AREA>_<WHAT>` and is listed in `docs/reference/errors.md`; `retryable` says whether the same
 * call may succeed later; `hint` is the remedy, shown after the message.
 */
export class WiretailError extends Error {
  override readonly name = "WiretailError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** How long the other side asked us to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  readonly hint: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { retryable?: boolean; retryAfterMs?: number; cause?: unknown; hint?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.hint = options.hint;
  }
}

/** Every code with what it means and what to do: the source of `docs/reference/errors.md`. */
export const ERROR_CODES = {
  WT_CONFIG_INVALID: "The configuration has errors; each is listed with its file, line and column.",
  WT_CONFIG_UNREADABLE: "A configuration file, or a file it names, cannot be read.",
  WT_USAGE: "A command was called with arguments that do not fit; its --help shows the right form.",
  WT_KQL_SYNTAX: "A KQL query does not parse; the message shows the position and what would be valid there.",
  WT_FORMAT_INVALID: "A time format or log format does not parse; the message shows the position.",
  WT_PATTERN_REFUSED: "A regular expression is invalid, or may take exponential time and is not allowed to.",
  WT_STAGE_FAILED: "A stage could not process an event; its on_error setting decides what happens to the event.",
  WT_STATE_LOCKED: "Another process runs with the same state directory.",
  WT_TAKEOVER_FAILED: "The agent that runs with the state directory did not let go of it in time; it goes on.",
  WT_STATE_UNWRITABLE: "The state directory cannot be created or written.",
  WT_STATE_CORRUPT: "A file in the state directory is damaged; it was set aside and the agent started without it.",
  WT_SOURCE_FAILED: "A source cannot read its input; it is tried again.",
  WT_SINK_UNAVAILABLE: "A sink's server cannot be reached or answers with an error that may pass; events wait.",
  WT_SINK_CREDENTIALS: "A sink's server refuses our credentials or privileges; events wait until that is mended.",
  WT_SINK_REFUSED: "A sink's server refuses an event for what it holds; the event goes to the dead letters.",
  WT_STORE_UNREADABLE: "The local store cannot be read.",
  WT_NO_AGENT: "No running agent answers on the control socket.",
  WT_INTERNAL: "A defect in Wiretail itself; please report it with the message.",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The message of anything that was thrown. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * Whether something that was thrown tells of a defect in our code, and not of the world: such must not be tried again
 * for ever in silence. Errors with a code of the system (`fetch failed` among them, by its cause) are the world's.
 */
export function isDefect(thrown: unknown): boolean {
  const isCodeFault =
    thrown instanceof TypeError ||
    thrown instanceof RangeError ||
    thrown instanceof ReferenceError ||
    (thrown instanceof WiretailError && thrown.code === "WT_INTERNAL") ||
    (thrown as { name?: unknown } | null)?.name === "AssertionError";
  return isCodeFault && !isOfSystem(thrown) && !isOfSystem((thrown as { cause?: unknown }).cause);
}

/** Codes such as ENOSPC or UND_ERR_SOCKET; those of Node about arguments (ERR_INVALID_ARG_TYPE) are not meant. */
function isOfSystem(thrown: unknown): boolean {
  const code = systemErrorCode(thrown);
  return code !== undefined && !code.startsWith("ERR_") && !code.startsWith("WT_");
}

/** The system's error code (`ENOENT`, `EACCES`, …) of anything that was thrown, if it has one. */
export function systemErrorCode(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}
