import assert from "node:assert/strict";
import { test } from "node:test";
import { compileTemplate, templateFault } from "../../../src/codec/template.ts";
import { TEST_PLACEHOLDERS } from "../../support/context.ts";

const at = (text: string, timeMs: number): string => compileTemplate(text, TEST_PLACEHOLDERS).at(timeMs);

test("placeholders become what they stand for, and a doubled brace a brace", () => {
  assert.equal(
    compileTemplate("{hostname}/{instance_id}/{ip_address}/{aws_region}/{account_id}/{{x}}", TEST_PLACEHOLDERS)
      .constant,
    "test-host/i-0123456789/192.0.2.7/eu-west-1/123456789012/{x}",
  );
});

test("dates are of each event's own UTC time, also over the end of an hour and backwards", () => {
  const text = "logs-{date}-{date:%Y.%m.%d.%H}";
  assert.equal(compileTemplate(text, TEST_PLACEHOLDERS).constant, undefined);
  const template = compileTemplate(text, TEST_PLACEHOLDERS);
  const midnight = Date.UTC(2027, 0, 1);
  assert.equal(template.at(midnight - 1), "logs-2026-12-31-2026.12.31.23");
  assert.equal(template.at(midnight), "logs-2027-01-01-2027.01.01.00");
  assert.equal(template.at(midnight - 1), "logs-2026-12-31-2026.12.31.23");
  assert.equal(at("{date}", -1), "1969-12-31");
});

test("what is wrong with a template is said before it is used", () => {
  assert.equal(templateFault("{hostname}-{date:%Y}"), undefined);
  for (const [text, fault] of [
    ["{hostnam}", /unknown placeholder "\{hostnam\}"; known are/],
    ["{date:%S}", /not %S/],
    ["{hostname:%Y}", /takes no format/],
    ["a{b", /no partner/],
    ["a}b", /no partner/],
  ] as const) {
    assert.match(templateFault(text) ?? "", fault);
    assert.throws(() => compileTemplate(text, TEST_PLACEHOLDERS), { code: "WT_FORMAT_INVALID" });
  }
});
