/**
 * Turns the 64-bit times of a pcapng interface into seconds and nanoseconds (draft-ietf-opsawg-pcapng, options
 * if_tsresol and if_tsoffset). The results of `convert` are in the two fields, so nothing is allocated a packet.
 */
export class TimeScale {
  seconds = 0;
  nanoseconds = 0;
  readonly #perSecond: number;
  readonly #nanosPerUnit: number;
  readonly #unitsPerNano: number;
  readonly #offset: number;
  /** For resolutions that float64 arithmetic cannot divide exactly; undefined for the usual ones. */
  readonly #bigPerSecond: bigint | undefined;

  /**
   * `resolution`: the byte of if_tsresol: 10^-n seconds, or 2^-n with the highest bit set. `offsetSeconds`: added to
   * every time.
   */
  constructor(resolution: number, offsetSeconds: number) {
    const exponent = resolution & 0x7f;
    const isBinary = (resolution & 0x80) !== 0;
    this.#offset = offsetSeconds;
    this.#perSecond = isBinary ? NaN : 10 ** exponent;
    this.#nanosPerUnit = exponent <= 9 ? 10 ** (9 - exponent) : 0;
    this.#unitsPerNano = exponent > 9 ? 10 ** (exponent - 9) : 0;
    // 2^16 times the remainder of a division must stay below 2^53.
    const isExact = !isBinary && exponent <= 11;
    this.#bigPerSecond = isExact ? undefined : (isBinary ? 2n : 10n) ** BigInt(exponent);
  }

  /** `high` and `low`: the two unsigned 32-bit halves of the time. */
  convert(high: number, low: number): void {
    if (this.#bigPerSecond !== undefined) {
      const units = (BigInt(high) << 32n) | BigInt(low);
      const whole = units / this.#bigPerSecond;
      this.seconds = Number(whole) + this.#offset;
      this.nanoseconds = Number(((units - whole * this.#bigPerSecond) * 1_000_000_000n) / this.#bigPerSecond);
      return;
    }
    const divisor = this.#perSecond;
    // Long division, 16 bits at a time, so that every step is exact.
    const first = Math.floor(high / divisor);
    const upper = (high - first * divisor) * 65_536 + (low >>> 16);
    const second = Math.floor(upper / divisor);
    const lower = (upper - second * divisor) * 65_536 + (low & 0xffff);
    const third = Math.floor(lower / divisor);
    const rest = lower - third * divisor;
    this.seconds = first * 4_294_967_296 + second * 65_536 + third + this.#offset;
    this.nanoseconds = this.#unitsPerNano === 0 ? rest * this.#nanosPerUnit : Math.floor(rest / this.#unitsPerNano);
  }
}
