import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const SCRIPT = "completions/wiretail.bash";

/** What bash offers for a command line whose last word is being typed. */
function bashOffers(...words: string[]): string[] {
  const program = `
    source ${SCRIPT}
    complete -p wiretail > /dev/null || exit 9
    COMP_WORDS=(wiretail "$@"); COMP_CWORD=$#
    _wiretail
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync("bash", ["--norc", "-c", program, "bash", ...words], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  return stdout.split("\n").filter((line) => line !== "");
}

test("bash completes commands, those below them, and options", () => {
  assert.deepEqual(bashOffers("tai"), ["tail"]);
  assert.ok(["run", "tail", "init", "search", "completion"].every((name) => bashOffers("").includes(name)));
  assert.deepEqual(bashOffers("dead-letters", "re"), ["replay"]);
  assert.deepEqual(bashOffers("tail", "--hi"), ["--highlight"]);
  assert.ok(bashOffers("dead-letters", "list", "--").includes("--config"));
  assert.deepEqual(bashOffers("--debug", "sea"), ["search"]);
});

test("bash completes values: files, folders, choices and names of pipelines, and nothing where it cannot know", () => {
  assert.deepEqual(bashOffers("run", "-c", "package.j"), ["package.json"]);
  assert.deepEqual(bashOffers("tail", "READ"), ["README.md"]);
  assert.deepEqual(bashOffers("search", "--store", "pipel"), ["pipelines"]);
  assert.deepEqual(bashOffers("search", "--order", "n"), ["newest"]);
  assert.deepEqual(bashOffers("try", "nginx-e"), ["nginx-error"]);
  assert.deepEqual(bashOffers("tail", "--format", "redi"), ["redis"]);
  assert.deepEqual(bashOffers("try", "./pipelines/redi"), ["./pipelines/redis.json"]);
  assert.deepEqual(bashOffers("tail", "--since", ""), []);
  assert.deepEqual(bashOffers("completion", "f"), ["fish"]);
});

test("an option's value is not taken for a command", () => {
  assert.ok(bashOffers("tail", "run", "--no-f").includes("--no-follow"));
});

for (const [shell, file] of [
  ["zsh", "completions/_wiretail"],
  ["fish", "completions/wiretail.fish"],
] as const)
  // prettier-ignore
  test(`${shell} takes its script`, (t) => {
    if (spawnSync(shell, ["-c", "exit 0"]).error !== undefined) return t.skip(`${shell} is not installed`);
    const { status, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
  });

test("fish completes commands, options and values", (t) => {
  if (spawnSync("fish", ["-c", "exit 0"]).error !== undefined) return t.skip("fish is not installed");
  const offers = (line: string): string[] => {
    const program = `source completions/wiretail.fish; complete -C '${line}'`;
    const { stdout } = spawnSync("fish", ["--no-config", "-c", program], { encoding: "utf8" });
    return stdout.split("\n").map((each) => each.split("\t")[0]!);
  };
  assert.ok(offers("wiretail tai").includes("tail"));
  assert.ok(offers("wiretail dead-letters re").includes("replay"));
  assert.ok(offers("wiretail tail --hi").includes("--highlight"));
  assert.ok(offers("wiretail search --order n").includes("newest"));
  assert.ok(offers("wiretail try nginx-s").includes("nginx-stream"));
});

test("zsh completes commands and options", (t) => {
  if (spawnSync("zsh", ["-c", "exit 0"]).error !== undefined) return t.skip("zsh is not installed");
  // What the functions would add is seen by taking the place of zsh's own.
  const program = `
    autoload -Uz compinit; compinit -u -D
    _arguments() { print -rl -- "$@"; }
    source completions/_wiretail
    (( $+functions[_wiretail_tail] && $+functions[_wiretail_dead_letters_replay] )) || exit 9
    _wiretail_tail`;
  const { status, stdout, stderr } = spawnSync("zsh", ["-f", "-c", program], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /\(-q --where\)--where\[only events that match\]/);
  assert.match(stdout, /_wiretail_pipeline/);
});

test("the manual page is understood by man, and names every command", (t) => {
  const page = readFileSync("man/wiretail.1", "utf8");
  for (const name of ["tail", "init", "dead-letters replay", "completion"])
    assert.ok(page.includes(`.B ${name.replaceAll("-", "\\-")}`), name);
  if (spawnSync("man", ["--version"]).error !== undefined) return t.skip("man is not installed");
  const { status, stdout, stderr } = spawnSync("man", ["--warnings", "-E", "UTF-8", "-l", "man/wiretail.1"], {
    encoding: "utf8",
    env: { ...process.env, MANWIDTH: "80", LC_ALL: "C.UTF-8" },
  });
  assert.deepEqual([status, stderr], [0, ""]);
  assert.match(stdout, /wiretail tail \/var\/log\/nginx\/access\.log/);
});
