import assert from "node:assert/strict";
import { test } from "node:test";
import { accessLine, connectionLine } from "../../../../examples/socketchat/log-files.ts";

test("a connection line has its milliseconds padded to four digits", () => {
  const time = new Date(Date.UTC(2019, 11, 11, 20, 47, 14, 285));
  assert.equal(
    connectionLine(time, "Socket connected successfully"),
    "2019.12.11, 20:47:14.0285 UTC -> Socket connected successfully",
  );
});

test("an access line is nginx's combined format, with what could break a line escaped", () => {
  const line = accessLine({
    address: "127.0.0.1",
    user: undefined,
    time: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)),
    method: "GET",
    target: '/a"b\\',
    httpVersion: "1.1",
    status: 200,
    bytes: 12,
    referrer: "",
    userAgent: "é\n",
  });
  assert.equal(
    line,
    '127.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /a\\x22b\\x5C HTTP/1.1" 200 12 "-" "\\xC3\\xA9\\x0A"',
  );
});
