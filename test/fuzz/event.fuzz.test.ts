import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { documentMembers } from "../../src/codec/document.ts";
import { LogEvent, type Envelope } from "../../src/core/event.ts";
import { Path } from "../../src/core/path.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

/**
 * Random changes are made to an event and to a plain object that stands for what the change ought to do. After every
 * change both must say the same: field by field, as an object, and as the JSON that is sent.
 */
const KEYS = ["a", "b", "c", "message", "__proto__"] as const;

type Tree = Map<string, unknown>;
type Change =
  | { readonly kind: "set" | "delete"; readonly name: string; readonly value: unknown }
  | { readonly kind: "key"; readonly key: string; readonly value: unknown };

const scalar = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  { weight: 2, arbitrary: fc.dictionary(fc.constantFrom("a", "b", "c"), scalar, { minKeys: 1 }) },
);
const name = fc.array(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), name, value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), name, value: fc.constant(null) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("key" as const), key: fc.constantFrom(...KEYS), value }) },
);
const NO_ENVELOPE: Envelope = { paths: [], values: [], offsetPath: undefined };
const PROBES = KEYS.flatMap((a) => [a, ...KEYS.flatMap((b) => [`${a}.${b}`, `${a}.${b}.c`])]);

test("an event behaves as the plain object that it stands for, whatever is done to it in whatever order", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const event = new LogEvent("the line", 0, 0, NO_ENVELOPE);
      const model: Tree = new Map([["message", "the line"]]);
      for (const one of changes) {
        apply(event, model, one);
        const expected = plain(model) as Record<string, unknown>;
        for (const probe of PROBES) {
          const wanted = find(model, probe.split("."));
          assert.deepEqual(event.get(new Path(probe)), wanted === undefined ? undefined : plain(wanted), probe);
        }
        const { "@timestamp": _, ...object } = event.toObject();
        assert.deepEqual(object, expected);
        const { "@timestamp": __, ...sent } = JSON.parse(`{${documentMembers(event)}`) as Record<string, unknown>;
        assert.deepEqual(sent, JSON.parse(JSON.stringify(expected)));
      }
    }),
    {
      interruptAfterTimeLimit: FUZZ_MS,
      markInterruptAsFailure: false,
      numRuns: 1_000_000,
      includeErrorInReport: true,
    },
  );
});

function apply(event: LogEvent, model: Tree, one: Change): void {
  if (one.kind === "key") {
    event.setTopLevel(one.key, structuredClone(one.value));
    model.set(one.key, tree(one.value));
    return;
  }
  const parts = one.name.split(".");
  if (one.kind === "set") {
    const fault = event.set(new Path(one.name), structuredClone(one.value));
    assert.equal(fault === undefined, put(model, parts, tree(one.value)), `set ${one.name}: ${String(fault)}`);
  } else {
    assert.equal(event.delete(new Path(one.name)), find(model, parts) !== undefined, `delete ${one.name}`);
    remove(model, parts);
  }
}

function find(node: unknown, parts: readonly string[]): unknown {
  return parts.reduce<unknown>((at, key) => (at instanceof Map ? (at as Tree).get(key) : undefined), node);
}

/** False, changing nothing, where something that is no object stands in the way. */
function put(node: Tree, parts: readonly string[], leaf: unknown): boolean {
  const [key, ...rest] = parts as [string, ...string[]];
  if (rest.length === 0) {
    node.set(key, leaf);
    return true;
  }
  const child = node.get(key) ?? new Map<string, unknown>();
  if (!(child instanceof Map)) return false;
  if (!put(child as Tree, rest, leaf)) return false;
  node.set(key, child);
  return true;
}

/** Objects that become empty by it go too. */
function remove(node: Tree, parts: readonly string[]): void {
  const [key, ...rest] = parts as [string, ...string[]];
  const child = node.get(key);
  if (rest.length === 0) node.delete(key);
  else if (child instanceof Map) {
    remove(child as Tree, rest);
    if (child.size === 0) node.delete(key);
  }
}

function tree(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return new Map(Object.entries(value).map(([key, inner]) => [key, tree(inner)]));
}

function plain(value: unknown): unknown {
  if (!(value instanceof Map)) return value;
  const object: Record<string, unknown> = {};
  for (const [key, inner] of value as Tree) {
    Object.defineProperty(object, key, { value: plain(inner), writable: true, enumerable: true, configurable: true });
  }
  return object;
}
