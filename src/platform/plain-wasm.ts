/**
 * WebAssembly as V8's baseline compiler makes it, and no second time by the optimizing one.
 *
 * A database in WebAssembly is large, and what optimizing it costs a start, or a command of a second, comes back only over
 * hours of heavy statements: starting an embedded service takes half the processor time, and its statements a third more.
 */
import { setFlagsFromString } from 'node:v8';

/** For all that this process compiles from now on. */
export function compileWasmOnce(): void {
  setFlagsFromString('--no-wasm-dynamic-tiering');
  setFlagsFromString('--no-wasm-tier-up');
}
