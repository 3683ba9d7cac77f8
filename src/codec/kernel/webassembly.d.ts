// The part of the WebAssembly JavaScript interface (https://www.w3.org/TR/wasm-js-api-2/) that the kernels use:
// TypeScript declares it in the library of browsers only.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: Readonly<Record<string, object>>);
    readonly exports: object;
  }
  class Memory {
    /** Sizes in pages of 64 KiB. */
    constructor(options: { readonly initial: number; readonly maximum: number; readonly shared: true });
    readonly buffer: ArrayBuffer;
  }
  interface Global {
    readonly value: number;
  }
  class CompileError extends Error {}
}
