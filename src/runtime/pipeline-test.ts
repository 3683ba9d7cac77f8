import { isDeepStrictEqual } from "node:util";
import { errorMessage } from "../core/error.ts";
import { getIn } from "../core/path.ts";
import { parseIsoTime } from "../core/time.ts";
import type { PipelineFile } from "./config/pipeline-file.ts";
import type { PipelineCoverage } from "./pipeline-coverage.ts";
import { EMPTY_ENVELOPE, madeEvent, sampleEvent } from "./sample-events.ts";
import { StageChain, type DeadLetterEvent } from "./stage-chain.ts";

/** "Now" in tests that do not say one, so that they give the same on every day. */
export const DEFAULT_TEST_NOW = "2026-01-01T00:00:00Z";

/** One field that is not as expected. `undefined` stands for absent. */
export interface FieldDifference {
  readonly path: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

/** One event that is not as expected. */
export interface EventDifference {
  /** Place in the output, from 0. */
  readonly index: number;
  /** Undefined: the event is not expected at all, or expected and not there. */
  readonly expected: Readonly<Record<string, unknown>> | undefined;
  readonly actual: Readonly<Record<string, unknown>> | undefined;
  readonly fields: readonly FieldDifference[];
}

export interface PipelineTestResult {
  readonly name: string;
  readonly ok: boolean;
  readonly differences: readonly EventDifference[];
  /** Reasons of events that a stage sent to the dead letters. */
  readonly deadLetters: readonly string[];
  /** The test could not be run at all. */
  readonly error: string | undefined;
}

/** Runs the tests of one pipeline file. Each test has stages of its own. Never throws. `coverage` is told what they did. */
export function runPipelineTests(pipeline: PipelineFile, coverage?: PipelineCoverage): PipelineTestResult[] {
  return pipeline.tests.map((test) => {
    const deadLetters: string[] = [];
    try {
      const nowMs = parseIsoTime(test.now ?? DEFAULT_TEST_NOW);
      const chain = new StageChain(pipeline.stages, () => nowMs, { counts: "branches" });
      const events = test.input.map((input, index) => sampleEvent(input, nowMs, index));
      const deadLetter: DeadLetterEvent = (_event, _stage, reason) => void deadLetters.push(reason);
      chain.run(events, deadLetter);
      events.push(...chain.finish(nowMs, (made) => madeEvent(made, 0, EMPTY_ENVELOPE), deadLetter));
      coverage?.add(chain);
      const differences = compareEvents(
        test.expect,
        events.map((event) => event.toObject()),
      );
      return { name: test.name, ok: differences.length === 0, differences, deadLetters, error: undefined };
    } catch (error) {
      return { name: test.name, ok: false, differences: [], deadLetters, error: errorMessage(error) };
    }
  });
}

/** Compares output events, in order, with expected ones: only fields that are named; null means absent. */
export function compareEvents(
  expected: readonly Readonly<Record<string, unknown>>[],
  actual: readonly Readonly<Record<string, unknown>>[],
): EventDifference[] {
  const differences: EventDifference[] = [];
  for (let index = 0; index < Math.max(expected.length, actual.length); index++) {
    const [wanted, found] = [expected[index], actual[index]];
    if (wanted === undefined || found === undefined)
      differences.push({ index, expected: wanted, actual: found, fields: [] });
    else {
      const fields = compareFields(wanted, found, "");
      if (fields.length > 0) differences.push({ index, expected: wanted, actual: found, fields });
    }
  }
  return differences;
}

function compareFields(
  expected: Readonly<Record<string, unknown>>,
  actual: unknown,
  prefix: string,
): FieldDifference[] {
  return Object.entries(expected).flatMap(([name, wanted]) => {
    const found = getIn(actual, name.split("."), 0);
    const path = prefix + name;
    if (isPlainObject(wanted) && isPlainObject(found)) return compareFields(wanted, found, `${path}.`);
    const value = wanted === null ? undefined : wanted;
    return isEqual(value, found, path) ? [] : [{ path, expected: value, actual: found }];
  });
}

function isEqual(wanted: unknown, found: unknown, path: string): boolean {
  if (isDeepStrictEqual(wanted, found)) return true;
  // A time may be written in several ways.
  return path === "@timestamp" && typeof wanted === "string" && parseIsoTime(wanted) === parseIsoTime(String(found));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
