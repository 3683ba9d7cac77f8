/**
 * What each stage costs an event, in microseconds of CPU, on its first example in the reference (docs/reference/stages):
 * its options, and its input again and again. Making the events is measured by itself and taken off. Prints the table of
 * docs/performance.md.
 *
 *     node dist/bench/micro/every-stage.js [EVENTS]
 */
import { Ajv } from "ajv";
import { components } from "../../src/cli/components.ts";
import type { AnyStage, Stage } from "../../src/core/component.ts";
import { LogEvent, type Envelope } from "../../src/core/event.ts";
import { Path } from "../../src/core/path.ts";

const count = Number(process.argv[2] ?? 100_000);
const ROUNDS = 5;
const MESSAGE = new Path("message");
const envelope: Envelope = { paths: [new Path("host.name")], values: ["bench"], offsetPath: new Path("log.offset") };
type Input = string | Readonly<Record<string, unknown>>;

function makeEvent(input: Input, offset: number): LogEvent {
  if (typeof input === "string") return new LogEvent(input, 0, offset, envelope);
  const event = new LogEvent("", 0, offset, envelope);
  event.delete(MESSAGE);
  // Objects would be shared by all events that are made of it.
  for (const key in input) event.setTopLevel(key, structuredClone(input[key]));
  return event;
}

/** Microseconds of CPU an event, the best of some rounds. */
function measure(inputs: readonly Input[], make: () => Stage | undefined): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const stage = make();
    stage?.enter?.("bench");
    const before = process.cpuUsage();
    for (let i = 0; i < count; i++) {
      const event = makeEvent(inputs[i % inputs.length]!, i * 100);
      stage?.apply(event);
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / count);
    stage?.close?.();
  }
  return best;
}

function optionsOf(definition: AnyStage, given: unknown): unknown {
  const options: unknown = structuredClone(given);
  new Ajv({ useDefaults: true, strict: false }).validate(definition.schema, options);
  return options;
}

console.log("| stage | its first example | µs |\n| --- | --- | --- |");
for (const definition of [...components.stages].sort((a, b) => (a.type < b.type ? -1 : 1))) {
  const [example] = definition.examples;
  const inputs = example?.input ?? [];
  if (example === undefined || inputs.length === 0) throw new Error(`${definition.type} has no example with input`);
  const options = optionsOf(definition, example.options);
  const alone = measure(inputs, () => undefined);
  const cost = measure(inputs, () => definition.create(options, { now: Date.now, baseDir: "." })) - alone;
  console.log(`| \`${definition.type}\` | ${example.title} | ${Math.max(0, cost).toFixed(2)} |`);
}
