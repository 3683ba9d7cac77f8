import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compileFill, type FillStep } from "../../../../src/codec/nginx/fill-code.ts";
import { NginxLineParser } from "../../../../src/codec/nginx/line-parser.ts";

const VARIABLES =
  "remote_addr server_addr remote_user request status body_bytes_sent http_referer request_time upstream_addr upstream_status host http_host pipe ssl_protocol ssl_session_reused server_protocol foo __proto__".split(
    " ",
  );
const value = fc.oneof(
  fc.constantFrom("-", "", "0", "200", "1.5", "0.250", "203.0.113.7", "2001:db8::1", "256.1.1.1", "TLSv1.3", "r", "."),
  fc.constantFrom("GET / HTTP/1.1", "GET /a b HTTP/1.0", "\u0016\u0003", "POST /", "a, b : -", "HTTP/2.0", "x:8080"),
  fc.stringMatching(/^[a-zA-Z0-9 :.,/é-]{0,20}$/),
);

/** Fields of a line, without those of its last variable. */
function read(parser: NginxLineParser, line: string): unknown {
  const match = parser.match(line);
  if (match === null) return null;
  const values: unknown[] = parser.fields.map(() => undefined);
  parser.fill(match, values, Int32Array.from(parser.fields.keys()));
  return values.slice(0, -1);
}

describe("code made for a format", () => {
  it("gives what the general path gives, which lines with a backslash take", () => {
    const escape = fc.constantFrom("default", "json" as const);
    const pairs = fc.array(fc.tuple(fc.constantFrom(...VARIABLES), value), { minLength: 1, maxLength: 8 });
    let compared = 0;
    fc.assert(
      fc.property(escape, pairs, (how, each) => {
        const format = each.map(([name]) => `"$${name}"`).join(" ") + ' "$http_tail"';
        const parser = new NginxLineParser(format, how === "json" ? "json" : "default");
        const line = each.map(([, text]) => `"${text}"`).join(" ");
        const general = read(parser, `${line} "\\\\q"`);
        assert.deepEqual(read(parser, `${line} "q"`), general);
        if (general !== null) compared++;
      }),
      { numRuns: 4000 },
    );
    assert.ok(compared > 500, `${compared} lines fitted`);
  });

  it("leaves rare conversions and broken requests to the other path, by their step", () => {
    const steps: FillStep[] = [
      { conversion: "text", group: 1, at: [1] },
      { conversion: "duration", group: 2, at: [0] },
      { conversion: "request", group: 3, at: [2, -1, 3, -1] },
    ];
    const left: number[] = [];
    const fill = compileFill(steps, "-", (step) => left.push(step));
    const values: unknown[] = [];
    const slots = Int32Array.of(3, 2, 1, 0);
    const match = /(.)(.)(?:(.)(.)(.)|(.))/;
    fill(match.exec("abcde")!, values, slots);
    assert.deepEqual(left, [1]);
    assert.deepEqual(values, ["e", "c", "a"]);
    fill(match.exec("-bx")!, values, slots);
    assert.deepEqual(left, [1, 1, 2]);
    assert.deepEqual(values, ["e", "c", "a"]);
  });

  it("writes what stands for an absent value as data, whatever it is", () => {
    const values: unknown[] = [];
    const fill = compileFill([{ conversion: "text", group: 1, at: [0] }], '") throw 1; ("', () => undefined);
    fill(/(.*)/.exec("a")!, values, Int32Array.of(0));
    assert.deepEqual(values, ["a"]);
  });
});
