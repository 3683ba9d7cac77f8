/** Where on the control socket a tap is opened: a POST of a TapRequest, answered by lines of JSON until either ends. */
export const TAP_PATH = "/tap";
/** Answers a POST with all points that can be tapped. */
export const TAP_POINTS_PATH = "/tap/points";

/** Which events of a stage: those that enter it, that leave it, or that it leaves out (or sends to the dead letters). */
export type TapAt = "in" | "out" | "dropped";

export interface TapRequest {
  /** `source`, `pipeline`, `pipeline/stage`, `sink`; none: what leaves every pipeline. */
  readonly points?: readonly string[];
  /** KQL. */
  readonly where?: string;
  readonly at?: TapAt;
  /** Events shown a second, over all points. */
  readonly max_per_second?: number;
  /** The tap ends when so many were shown. */
  readonly limit?: number;
}

/** One place where events can be looked at. */
export interface TapPoint {
  /** As it is said on the command line. */
  readonly name: string;
  readonly kind: "source" | "pipeline" | "stage" | "sink";
}

/**
 * Totals since the tap began. `matched = shown + sampled + lost` in every frame.
 */
export interface TapCounts {
  /** Events that were looked at. */
  readonly passed: number;
  /** Of those: what the filter selects. */
  readonly matched: number;
  readonly shown: number;
  /** Left out because there were more than may be shown. */
  readonly sampled: number;
  /** Left out because the reader could not take them. */
  readonly lost: number;
  /** Events that came by and were not looked at, so that the agent is not slowed down: chosen evenly. */
  readonly skipped: number;
}

/** One event as it was at a point. */
export interface TappedEvent {
  readonly point: string;
  /** The id it has at sinks; an event of a source has none yet. */
  readonly id?: string;
  /** What the sink said of it. */
  readonly outcome?: string;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface TapStart {
  readonly type: "start";
  readonly points: readonly TapPoint[];
  readonly at: TapAt;
  readonly max_per_second: number;
}

/** What happened since the frame before, at most ten a second; without events once a second. */
export interface TapFrame {
  readonly type: "frame";
  readonly events: readonly TappedEvent[];
  readonly counts: TapCounts;
  /** The limit is reached: nothing follows. */
  readonly ended?: true;
}

export type TapLine = TapStart | TapFrame;
