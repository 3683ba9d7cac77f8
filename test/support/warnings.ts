import type { TestContext } from "node:test";

/** The messages of what Node warns of in this process while the test runs; they come a turn of the loop later. */
export function recordWarnings(test: TestContext): readonly string[] {
  const messages: string[] = [];
  const onWarning = ({ message }: Error): void => void messages.push(message);
  process.on("warning", onWarning);
  test.after(() => process.off("warning", onWarning));
  return messages;
}
