import assert from "node:assert/strict";
import { test } from "node:test";
import { CallPace, type CallOutcome } from "../../../src/runtime/call-pace.ts";

const MB = 1 << 20;
const LIMITS = { maxBytes: 4 * MB, concurrency: 8 };

/** A server that answers calls after `latencyMs` and the time that their bytes take it, one after the other. */
class SimulatedServer {
  latencyMs = 50;
  bytesPerMs = 100_000;
  /** Calls at a time that it takes; further ones are refused. */
  most = Infinity;
  /** A call under way is never larger than this. */
  maxBytes = Infinity;
  busyUntilMs = 0;
}

/** A sink with always something to send, or so many bytes a millisecond, and simulated time. */
class Simulation {
  nowMs = 0;
  readonly server = new SimulatedServer();
  readonly pace: CallPace;
  producedPerMs = Infinity;
  mostWaitingBytes = 14 * MB;
  takenBytes = 0;
  mostInFlight = 0;
  #waitingBytes = 0;
  #inFlight: { endMs: number; call: CallOutcome }[] = [];

  constructor(limits = LIMITS, windowBytes = 12 * MB) {
    this.pace = new CallPace({ limits, windowBytes, nowMs: () => this.nowMs });
  }

  /** Runs for so long; returns bytes taken a millisecond. */
  run(ms: number): number {
    const before = this.takenBytes;
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) {
      this.nowMs++;
      this.#waitingBytes = Math.min(this.mostWaitingBytes, this.#waitingBytes + this.producedPerMs);
      for (const { endMs, call } of this.#inFlight.filter((each) => each.endMs <= this.nowMs)) {
        this.#inFlight = this.#inFlight.filter((each) => each.call !== call || each.endMs !== endMs);
        if (call.kind === "taken") this.takenBytes += call.bytes;
        else this.#waitingBytes += call.bytes;
        this.pace.ended(call);
      }
      this.#dispatch();
    }
    return (this.takenBytes - before) / ms;
  }

  #dispatch(): void {
    const { pace, server } = this;
    while (this.#inFlight.length < pace.concurrency && this.#waitingBytes >= pace.maxBytes) {
      const bytes = pace.maxBytes;
      this.#waitingBytes -= bytes;
      const kind =
        bytes > server.maxBytes ? "too_large" : this.#inFlight.length >= server.most ? "overloaded" : "taken";
      if (kind === "taken") {
        server.busyUntilMs = Math.max(server.busyUntilMs, this.nowMs) + bytes / server.bytesPerMs;
      }
      const endMs = (kind === "taken" ? server.busyUntilMs : this.nowMs + 1) + server.latencyMs;
      this.#inFlight.push({ endMs, call: { bytes, beganAtMs: this.nowMs, kind } });
    }
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight.length);
    if (this.#inFlight.length < pace.concurrency) pace.idle();
    else if (this.#waitingBytes >= pace.maxBytes) pace.hungry();
  }
}

test("a server far away has as many calls as help within ten round trips", () => {
  const simulation = new Simulation({ maxBytes: 2 * MB, concurrency: 8 }, 16 * MB);
  simulation.server.bytesPerMs = 1_000_000;
  simulation.run(500);
  assert.equal(simulation.pace.concurrency, 8);
});

test("a server far away is sent more calls at a time, until it is busy all the time", () => {
  const simulation = new Simulation();
  simulation.run(10_000);
  const rate = simulation.run(5_000);
  assert.ok(rate > 0.9 * simulation.server.bytesPerMs, `${rate} bytes a millisecond`);
  assert.ok(simulation.mostInFlight > 4);
});

test("calls under way together hold no more than the window, and are never larger or more than was set", () => {
  const simulation = new Simulation();
  simulation.server.latencyMs = 500;
  simulation.server.bytesPerMs = 1_000_000;
  for (let second = 0; second < 30; second++) {
    simulation.run(1_000);
    const { concurrency, maxBytes } = simulation.pace;
    assert.ok(concurrency * maxBytes <= 12 * MB && maxBytes <= LIMITS.maxBytes && concurrency <= LIMITS.concurrency);
  }
  assert.ok(simulation.mostInFlight <= LIMITS.concurrency);
  const single = new Simulation({ ...LIMITS, concurrency: 1 });
  single.run(10_000);
  assert.equal(single.mostInFlight, 1);
});

test("a server that is near and busy is not sent more calls at a time, but for short trials", () => {
  const simulation = new Simulation();
  simulation.server.latencyMs = 1;
  let atFour = 0;
  for (let i = 0; i < 600; i++) {
    simulation.run(100);
    if (simulation.pace.concurrency === 4) atFour++;
  }
  assert.ok(atFour > 540, `${atFour} of 600`);
  assert.ok(simulation.mostInFlight <= LIMITS.concurrency);
});

test("calls wait for each other at a busy server that is near, and not at one that is far", () => {
  const near = new Simulation();
  near.server.latencyMs = 1;
  near.run(5_000);
  assert.equal(near.pace.isQueueing, true);
  const far = new Simulation();
  far.server.latencyMs = 200;
  far.server.bytesPerMs = 1_000_000;
  far.run(5_000);
  assert.equal(far.pace.isQueueing, false);
});

test("a rate that grows by itself at first does not prove that more calls help", () => {
  const simulation = new Simulation({ maxBytes: 2 * MB, concurrency: 20 }, 56 * MB);
  simulation.mostWaitingBytes = 64 * MB;
  simulation.server.latencyMs = 1;
  simulation.server.bytesPerMs = 20_000;
  simulation.run(350);
  // It has warmed up.
  simulation.server.bytesPerMs = 60_000;
  simulation.run(2_000);
  assert.equal(simulation.pace.concurrency, 4);
});

test("what need not wait is sent by few calls, and many of them are given back when they are not needed any more", () => {
  const simulation = new Simulation();
  simulation.run(10_000);
  assert.ok(simulation.pace.concurrency > 4);
  simulation.producedPerMs = 1_000;
  simulation.run(120_000);
  assert.equal(simulation.pace.concurrency, 4);
});

test("overload halves the calls at a time once for all that were under way, and they come back one by one", () => {
  const simulation = new Simulation();
  simulation.run(10_000);
  const before = simulation.pace.concurrency;
  const beganAtMs = simulation.nowMs;
  simulation.nowMs += 10;
  for (let i = 0; i < before; i++) simulation.pace.ended({ bytes: MB, beganAtMs, kind: "overloaded" });
  assert.equal(simulation.pace.concurrency, before >> 1);
  simulation.run(20_000);
  assert.ok(simulation.pace.concurrency >= before);
});

test("a server that takes only so many at a time gets most of what it can take, with few refusals", () => {
  const simulation = new Simulation();
  simulation.server.most = 3;
  const rate = simulation.run(60_000);
  const alone = new Simulation({ ...LIMITS, concurrency: 3 });
  assert.ok(rate > 0.8 * alone.run(60_000));
});

test("after an outage in which every call failed the rate is back within seconds", () => {
  const simulation = new Simulation();
  const before = simulation.run(20_000);
  for (let i = 0; i < 100; i++) {
    simulation.nowMs += 10_000;
    simulation.pace.ended({ bytes: MB, beganAtMs: simulation.nowMs - 5_000, kind: "overloaded" });
  }
  assert.equal(simulation.pace.concurrency, 1);
  simulation.run(10_000);
  assert.ok(simulation.run(10_000) > 0.8 * before);
});

test("calls too large for the server are halved for later ones too, and larger ones are tried again much later", () => {
  const simulation = new Simulation(LIMITS, 32 * MB);
  simulation.server.maxBytes = 1.5 * MB;
  simulation.run(5_000);
  assert.equal(simulation.pace.maxBytes, MB);
  simulation.nowMs += 600_000;
  assert.ok(simulation.pace.maxBytes > MB);
});

test("no answer in time makes calls smaller and fewer", () => {
  const { pace } = new Simulation();
  pace.ended({ bytes: 4 * MB, beganAtMs: 0, kind: "timed_out" });
  assert.deepEqual([pace.maxBytes, pace.concurrency], [2 * MB, 2]);
  pace.ended({ bytes: 100, beganAtMs: 0, kind: "timed_out" });
  assert.equal(pace.maxBytes, 64 * 1024);
});
