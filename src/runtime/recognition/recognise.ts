import type { PipelineFile } from "../config/pipeline-file.ts";
import { isContinuation } from "./continuation.ts";
import { fitOf, type Fit } from "./fit.ts";

/** Lines that are looked at: more make it slower and hardly surer. */
export const SAMPLE_LINES = 50;
/** Longer ones say no more, and cost. */
const MAX_LINE_LENGTH = 16_384;
/** Of all lines so many have to fit. */
const ENOUGH = 0.75;
/** In so many of the lines a pipeline has to find more than a plainer one that fits as well. */
const MORE_IN = 1 / 3;
/** Pipelines that are named where none fits. */
const NEAREST = 3;

/** What format lines are in. */
export interface Recognition {
  /** The name of the shipped pipeline for them, or undefined: unknown. */
  readonly format: string | undefined;
  /** Lines that it understands, of those that were compared: all but empty ones and those of stack traces. */
  readonly fits: number;
  readonly lines: number;
  /** Other pipelines that understand as much of as many lines: the lines cannot tell. */
  readonly alike: readonly string[];
  /** Where no format was recognised: pipelines that understand some lines, best first. */
  readonly nearest: readonly Fit[];
}

/**
 * Compares lines with formats by running every pipeline on them. A format is recognised when its pipeline gets along
 * with three quarters of the lines and finds a time in them (or a level and a message, or JSON). `path`, of the
 * file they are from, only decides between pipelines that find the same.
 */
export function recognise(
  lines: readonly string[],
  formats: readonly PipelineFile[],
  { nowMs, path = "" }: { readonly nowMs: number; readonly path?: string | undefined },
): Recognition {
  const sample = lines
    .slice(0, SAMPLE_LINES)
    .filter((line) => line.length <= MAX_LINE_LENGTH && line.trim() !== "" && !isContinuation(line));
  const none = { format: undefined, fits: 0, lines: sample.length, alike: [], nearest: [] };
  if (sample.length === 0) return none;
  const all = formats.map((format) => fitOf(format, sample, nowMs)).filter((fit) => fit.fits > 0);
  const good = all.filter((fit) => fit.fits >= fit.lines * ENOUGH).sort((a, b) => a.stages - b.stages);
  let best: Fit | undefined;
  for (const fit of good) if (best === undefined || isBetter(fit, best)) best = fit;
  if (best === undefined) {
    const nearest = all.sort((a, b) => b.fits - a.fits || total(b) - total(a)).slice(0, NEAREST);
    return { ...none, nearest };
  }
  const chosen = best;
  const equal = good.filter((fit) => fit.fits === chosen.fits && !isBetter(chosen, fit));
  const named = equal.find((fit) => isNamedIn(fit.name, path)) ?? chosen;
  const alike = equal.filter((fit) => fit.begins !== named.begins && !isNamedIn(named.name, path));
  return {
    ...{ format: named.name, fits: named.fits, lines: named.lines, nearest: [] },
    alike: alike.map((fit) => fit.name),
  };
}

/** Whether a pipeline that is less plain is worth it. */
function isBetter(fit: Fit, than: Fit): boolean {
  const [share, other] = [fit.fits / fit.lines, than.fits / than.lines];
  if (Math.abs(share - other) > 0.1) return share > other;
  let more = 0;
  for (const [i, gain] of fit.gains.entries()) if (gain > (than.gains[i] || 0)) more++;
  return more > fit.lines * MORE_IN && total(fit) > total(than);
}

function total({ gains }: Fit): number {
  return gains.reduce((sum, gain) => sum + (gain || 0), 0);
}

/** Whether a path has all words of a name: /var/log/nginx/error.log those of `nginx-error`. */
export function isNamedIn(name: string, path: string): boolean {
  const lower = path.toLowerCase();
  return name.split("-").every((word) => lower.includes(word));
}
