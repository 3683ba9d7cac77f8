/**
 * Lines that go on with what the line before began: indented ones, and those of stack traces and their causes (Java,
 * Kotlin, Node, Python, Go, Ruby, .NET, PHP). As text, because sources take it as `continuation_pattern`.
 */
export const CONTINUATION_PATTERN =
  "^(?:[ \\t]+\\S|\\.\\.\\. \\d+ more|Caused by: |Suppressed: |Traceback \\(most recent call last\\)|During handling of the above|The above exception was|[A-Za-z_][\\w.$]*(?:Error|Exception|Interrupt|Exit)(?::|$)|goroutine \\d+ \\[|panic: |created by |[\\w./*()]+\\(0x[0-9a-f]|#\\d+ |--- End of |[\\])}]+,?$)";

const CONTINUATION = new RegExp(CONTINUATION_PATTERN);

/** Whether a line belongs to the one before it. */
export function isContinuation(line: string): boolean {
  return CONTINUATION.test(line);
}

const FRAME =
  /^\s*(?:at [\w.$<(\[]|File "[^"]*", line \d|from \S+:\d+:in |\S+\.(?:go|rb|py|rs|php|js|ts):\d+|\.\.\. \d+ more|Caused by: |#\d+ )/;

/** Whether the lines behind the first one are those of a stack trace. */
export function isStackTrace(lines: readonly string[]): boolean {
  return lines.length > 1 && lines.some((line, i) => i > 0 && FRAME.test(line));
}
