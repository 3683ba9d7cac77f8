import type { AgentStatus, SinkStatus, SourceStatus } from "../runtime/status.ts";

/** How text is marked; the plain one returns the text as it is. */
export type Paint = (style: "bold" | "dim" | "green" | "yellow" | "red", text: string) => string;

export interface StatusViewOptions {
  readonly paint: Paint;
  /** Terminal columns; longer names are cut. */
  readonly width: number;
  /** Inputs shown for each source; the ones with most lag first. */
  readonly maxInputs: number;
}

/** `wiretail status` as lines: sources, stages, sinks, worst first within each, with hints. Pure: tested with golden files. */
export function statusLines(status: AgentStatus, options: StatusViewOptions): string[] {
  const { paint } = options;
  const lines: string[] = [];
  const health = status.healthy ? paint("green", "✓ healthy") : paint("red", "✗ not healthy");
  lines.push(
    `${paint("bold", `wiretail ${status.version}`)} on ${status.hostname}  ${health}  up ${duration(status.uptime_seconds)}  pid ${status.pid}`,
  );
  const { memory } = status;
  lines.push(
    paint(
      "dim",
      `queued in memory ${bytes(memory.queued_bytes)} of ${bytes(memory.budget_bytes)}, resident ${bytes(memory.resident_bytes)}`,
    ),
  );
  lines.push(...journalLines(status, options));
  if (status.checkpoint_error !== null)
    lines.push(paint("red", `✗ checkpoints cannot be written: ${status.checkpoint_error}`));
  lines.push("", paint("bold", "SOURCES"));
  for (const source of status.sources) lines.push(...sourceLines(source, status.now, options));
  const stages = status.pipelines.flatMap((pipeline) =>
    pipeline.stages.map((stage) => ({ pipeline: pipeline.name, ...stage })),
  );
  if (stages.length > 0) {
    lines.push("", paint("bold", "STAGES"));
    const rows = stages.map((stage) => [
      `  ${stage.pipeline} / ${stage.stage}`,
      `${count(stage.in_events)} in`,
      `${count(stage.out_events)} out`,
      stage.dropped_events > 0 ? `${count(stage.dropped_events)} dropped` : "",
      stage.failed_events > 0 ? paint("yellow", `! ${count(stage.failed_events)} failed`) : "",
      stage.dead_lettered_events > 0 ? paint("yellow", `! ${count(stage.dead_lettered_events)} dead-lettered`) : "",
    ]);
    lines.push(...columns(rows));
    if (status.slowest_stage !== null) {
      const { pipeline, stage, share } = status.slowest_stage;
      lines.push(
        paint("dim", `  slowest: ${pipeline} / ${stage} with ${Math.round(share * 100)} % of the time spent in stages`),
      );
    }
  }
  lines.push("", paint("bold", "SINKS"));
  for (const sink of status.sinks) lines.push(...sinkLines(sink, status, options));
  lines.push(...deadLetterLines(status, options), ...defectLines(status, options));
  return lines;
}

function journalLines({ journal }: AgentStatus, { paint }: StatusViewOptions): string[] {
  if (journal === null) return [];
  const lines: string[] = [];
  if (journal.records > 0) {
    const since = journal.oldest_at === null ? "" : `, the oldest of ${journal.oldest_at}`;
    const room = `journal ${bytes(journal.used_bytes)} of ${bytes(journal.max_bytes)}`;
    lines.push(paint("yellow", `! ${room}${since}: a sink is behind`));
  }
  if (journal.full) lines.push(paint("red", "✗ the journal is full: its budget is journal.max_bytes"));
  if (journal.error !== null) lines.push(paint("red", `✗ the journal cannot be written: ${journal.error}`));
  for (const orphan of journal.orphans) {
    const what = `${count(orphan.events)} events (${bytes(orphan.bytes)})`;
    lines.push(
      paint("yellow", `! ${what} wait in the journal for a sink that is not configured (${orphan.sink_identity})`),
    );
  }
  return lines;
}

function deadLetterLines({ dead_letters: letters }: AgentStatus, { paint }: StatusViewOptions): string[] {
  const { budget, age } = letters.dropped;
  if (letters.letters === 0 && budget === 0 && age === 0) return [];
  const isNearlyFull = letters.bytes > letters.max_bytes * 0.8;
  const room = `${bytes(letters.bytes)} of ${bytes(letters.max_bytes)}`;
  const since = letters.oldest_at === null ? "" : `, the oldest of ${letters.oldest_at}`;
  const lines = ["", paint("yellow", `! ${count(letters.letters)} dead letters, ${room}${since}`)];
  if (isNearlyFull) lines.push(paint("red", "  ✗ their budget is nearly used up: replay or purge some"));
  if (budget > 0)
    lines.push(paint("red", `  ✗ ${count(budget)} dead letters were removed because their budget is full`));
  if (age > 0) lines.push(paint("yellow", `  ! ${count(age)} dead letters were removed because of their age`));
  if (letters.letters > 0) lines.push(paint("dim", "  hint: wiretail dead-letters list"));
  return lines;
}

function sourceLines(source: SourceStatus, now: string, { paint, maxInputs }: StatusViewOptions): string[] {
  const mark =
    source.state === "failed"
      ? paint("red", "✗ failed")
      : source.state === "waiting"
        ? paint("yellow", "! waiting")
        : paint("green", `✓ ${source.state}`);
  const lag = source.lag_bytes > 0 ? lagText(source.lag_bytes, source.lag_seconds, source.eta_seconds) : "no lag";
  const lines = [
    `  ${source.name} (${source.type})  ${mark}  read ${count(source.read_events)} events, ${bytes(source.read_bytes)}  ${lag}`,
  ];
  if (source.waiting_for !== null) {
    const { since, detail } = source.waiting_for;
    lines.push(paint("yellow", `    for ${duration(secondsBetween(since, now))}: ${detail}`));
  }
  if (source.error !== null) lines.push(paint("red", `    ${source.error}`));
  const own = Object.entries(source.own ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")} ${count(value)}`);
  if (own.length > 0) lines.push(`    ${own.join(", ")}`);
  for (const [reason, amount] of Object.entries(source.dropped))
    lines.push(paint("yellow", `    ! ${bytes(amount)} given up: ${reason}`));
  const inputs = [...source.inputs].sort(
    (a, b) => Number(b.error !== null) - Number(a.error !== null) || (b.lag_bytes ?? 0) - (a.lag_bytes ?? 0),
  );
  const rows = inputs
    .slice(0, maxInputs)
    .map((input) => [
      `    ${input.name}`,
      input.state,
      input.size_bytes === null ? "" : `${bytes(input.delivered_bytes ?? 0)} of ${bytes(input.size_bytes)}`,
      (input.lag_bytes ?? 0) > 0 ? lagText(input.lag_bytes!, input.lag_seconds ?? 0, input.eta_seconds) : "",
      (input.lag_bytes ?? 0) > 0 && input.behind !== null ? `behind: ${input.behind}` : "",
      input.error !== null
        ? paint("red", `✗ ${input.error}`)
        : input.waiting_for === null
          ? ""
          : paint("dim", `until ${input.waiting_for}`),
    ]);
  lines.push(...columns(rows));
  if (inputs.length > maxInputs) lines.push(paint("dim", `    … and ${inputs.length - maxInputs} more (--all)`));
  if (inputs.length === 0 && source.type === "file") lines.push(paint("yellow", `    ! no file matches yet`));
  return lines;
}

function lagText(lagBytes: number, lagSeconds: number, etaSeconds: number | null): string {
  const eta = etaSeconds === null ? "not catching up" : `caught up in ${duration(etaSeconds)}`;
  return `lag ${bytes(lagBytes)}, ${duration(lagSeconds)}, ${eta}`;
}

/** Equations that do not add up, which must never be. */
function defectLines({ equations }: AgentStatus, { paint }: StatusViewOptions): string[] {
  const broken = equations.filter((equation) => !equation.holds);
  if (broken.length === 0) return [];
  return [
    "",
    paint("red", "✗ events do not add up: a defect in Wiretail, please report it with wiretail status --json"),
    ...broken.map(({ of, name, text }) => paint("red", `  ${of} ${name}: ${text}`)),
  ];
}

function sinkLines(sink: SinkStatus, status: AgentStatus, { paint }: StatusViewOptions): string[] {
  const mark =
    sink.state === "working"
      ? paint("green", "✓ working")
      : sink.state === "retrying"
        ? paint("yellow", "! retrying")
        : paint("red", "✗ holding");
  const {
    routed_events: routed,
    delivered_events: delivered,
    queued_events: queued,
    dead_lettered_events: dead,
  } = sink;
  const dropped = Object.values(sink.dropped_events).reduce((sum, each) => sum + each, 0);
  const given = dropped > 0 ? ` + ${count(dropped)} given up` : "";
  const equation = `${count(routed)} routed = ${count(delivered)} delivered + ${count(queued)} queued + ${count(dead)} dead-lettered${given}`;
  const isBalanced = routed === delivered + queued + dead + dropped;
  const lines = [`  ${sink.name} (${sink.type})  ${mark}  ${equation} ${isBalanced ? "✓" : paint("red", "✗")}`];
  if (sink.queued_in_journal_events > 0)
    lines.push(paint("dim", `    ${count(sink.queued_in_journal_events)} of them wait in the journal`));
  for (const [reason, amount] of Object.entries(sink.dropped_events)) {
    const what = reason === "read_again" ? "left for later: their inputs are read again" : `given up: ${reason}`;
    lines.push(paint(reason === "read_again" ? "yellow" : "red", `    ! ${count(amount)} events ${what}`));
  }
  if (sink.last_error !== null && sink.state !== "working") {
    const since =
      sink.failing_since === null ? "" : ` (failing for ${duration(secondsBetween(sink.failing_since, status.now))})`;
    lines.push(paint(sink.state === "holding" ? "red" : "yellow", `    ${sink.last_error.message}${since}`));
    if (sink.next_attempt !== null)
      lines.push(
        paint("dim", `    next attempt in ${duration(Math.max(0, secondsBetween(status.now, sink.next_attempt)))}`),
      );
    if (sink.state === "holding") lines.push(paint("dim", `    hint: wiretail check ${status.config_file} --connect`));
  }
  for (const note of sink.notes) lines.push(paint("yellow", `    ! ${note}`));
  return lines;
}

function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

/** Pads cells so that columns line up; empty columns vanish. Colour codes do not count. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const width = (text: string): number => text.replace(/\u001b\[[0-9;]*m/g, "").length;
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, width(cell))));
  return rows.map((row) =>
    row
      .map((cell, i) => (widths[i] === 0 ? "" : cell + " ".repeat(widths[i]! - width(cell) + 2)))
      .join("")
      .trimEnd(),
  );
}

export function bytes(amount: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = amount;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]!}`;
}

export function count(amount: number): string {
  return amount.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
