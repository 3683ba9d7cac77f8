/** A place in a program that is jumped to, perhaps before it is known. */
export interface Label {
  /** The number of the word, once it is placed. */
  at: number | undefined;
}

/** A number that is known only when the program is finished. */
export interface Later {
  value: number | undefined;
}

type Word = number | Label | Later;

/** A program as the machine takes it, for the given address. */
export interface ProgramImage {
  readonly code: Int32Array;
  readonly constants: Uint8Array;
}

/**
 * Assembles a program of the machine (assembly/machine/opcodes.ts): words of code, and constants behind them. The code
 * has a fixed room, so that addresses of constants are known at once.
 */
export class ProgramBuilder {
  /** Bytes of code that fit, and of constants. */
  static readonly codeBytes = 64 * 1024;
  static readonly constantBytes = 64 * 1024;

  readonly #address: number;
  readonly #words: Word[] = [];
  readonly #constants = Buffer.alloc(ProgramBuilder.constantBytes);
  readonly #known = new Map<string, number>();
  #used = 0;

  /** `address` is where the program will be in the machine's memory. */
  constructor(address: number) {
    this.#address = address;
  }

  emit(...words: readonly Word[]): void {
    this.#words.push(...words);
  }

  label(): Label {
    return { at: undefined };
  }

  /** The label means the next word. */
  place(label: Label): void {
    label.at = this.#words.length;
  }

  placed(): Label {
    return { at: this.#words.length };
  }

  /** Address and length in bytes of a constant text (UTF-8). */
  text(text: string): readonly [address: number, length: number] {
    const bytes = Buffer.from(text);
    return [this.bytes(bytes, 1), bytes.length];
  }

  float(value: number): number {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return this.bytes(bytes, 8);
  }

  words(values: readonly number[]): number {
    return this.bytes(Buffer.from(Int32Array.from(values).buffer), 4);
  }

  /** The address of constant bytes; equal ones share it. Throws RangeError when there is no room. */
  bytes(bytes: Uint8Array, alignment: number): number {
    const key = `${alignment} ${Buffer.from(bytes).toString("latin1")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const at = Math.ceil(this.#used / alignment) * alignment;
    if (at + bytes.length > ProgramBuilder.constantBytes) throw new RangeError("too many constants");
    this.#constants.set(bytes, at);
    this.#used = at + bytes.length;
    const address = this.#address + ProgramBuilder.codeBytes + at;
    this.#known.set(key, address);
    return address;
  }

  /** Throws RangeError when there is too much code. */
  finish(): ProgramImage {
    if (this.#words.length * 4 > ProgramBuilder.codeBytes) throw new RangeError("too much code");
    const code = Int32Array.from(this.#words, (word) => {
      if (typeof word === "number") return word;
      return "at" in word ? this.#address + 4 * word.at! : word.value!;
    });
    return { code, constants: this.#constants.subarray(0, this.#used) };
  }
}
