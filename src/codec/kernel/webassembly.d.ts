// The part of the WebAssembly JavaScript interface (https://www.w3.org/TR/wasm-js-api-2/) that line-kernel.ts uses:
// TypeScript declares it in the library of browsers only.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: Readonly<Record<string, object>>);
    readonly exports: object;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  interface Global {
    readonly value: number;
  }
  class CompileError extends Error {}
}
