import assert from "node:assert/strict";
import { test } from "node:test";
import { unknownCommand } from "../../../src/cli/unknown-command.ts";

const KNOWN = ["tail", "init", "run", "search", "status", "dead-letters", "check"];
const hint = (name: string, files: readonly string[] = []): string | undefined =>
  unknownCommand("wiretail", name, KNOWN, (path) => files.includes(path)).hint;

test("a mistyped command suggests the one that was meant", () => {
  assert.equal(hint("statsu"), "did you mean: wiretail status?");
  assert.equal(hint("dead_letters"), "did you mean: wiretail dead-letters?");
});

test("what other programs call it suggests ours", () => {
  assert.equal(hint("validate"), "did you mean: wiretail check?");
  assert.equal(hint("dlq"), "did you mean: wiretail dead-letters?");
  assert.equal(hint("logs"), "did you mean: wiretail tail?");
});

test("a command that there is not is not suggested, whatever it is called elsewhere", () => {
  assert.doesNotMatch(hint("monitor") ?? "", /did you mean/);
});

test("a file suggests what is done with it", () => {
  assert.equal(hint("/var/log/app", ["/var/log/app"]), "to look at the file: wiretail tail /var/log/app");
  assert.equal(hint("my/host.json", ["my/host.json"]), "a host file? wiretail run -c my/host.json");
});

test("anything else lists what there is", () => {
  assert.match(hint("xyzzy") ?? "", /^commands: tail, init, .*--help/);
});
