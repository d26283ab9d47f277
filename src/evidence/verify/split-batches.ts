/**
 * Cuts an export into its batches, whatever the edges of the chunks in which it comes. Bounded by one batch.
 *
 * The header's count says where a batch ends; it is believed for the cut only. Where the header cannot be read, the
 * next signature line ends the batch, so that the verifier can name what is wrong with it.
 */
import { concatBytes } from '../../base/bytes.ts';
import { BATCH_BYTES_MAX, parseHead, parseSignatureLine } from '../batch/batch.ts';

const NEWLINE = 0x0a;

export class BatchSplitter {
  #held: Uint8Array = new Uint8Array(0);
  /** Start of the batch, start of the line and number of lines read in `#held`. */
  #start = 0;
  #line = 0;
  #lines = 0;
  /** Lines that the batch has, when its header says so. */
  #expected: number | undefined;
  #stopped = false;

  /**
   * Calls back with each whole batch. What is longer than a batch may be is handed over once, cut to one byte above the
   * limit, and ends the cutting. The chunk must not be written to afterwards.
   */
  push(chunk: Uint8Array, onBatch: (bytes: Uint8Array) => void): void {
    if (this.#stopped) return;
    const search = this.#held.length - this.#start;
    this.#held = search === 0 ? chunk : concatBytes(this.#held.subarray(this.#start), chunk);
    this.#line -= this.#start;
    this.#start = 0;
    let at = Math.max(search, this.#line);
    for (let end = this.#held.indexOf(NEWLINE, at); end >= 0; end = this.#held.indexOf(NEWLINE, at)) {
      at = end + 1;
      if (at - this.#start > BATCH_BYTES_MAX) break;
      if (this.#endsBatch(end)) this.#emit(at, onBatch);
      else this.#line = at;
    }
    if (this.#held.length - this.#start <= BATCH_BYTES_MAX) return;
    this.#emit(this.#start + BATCH_BYTES_MAX + 1, onBatch);
    this.#stopped = true;
  }

  /** What is left when the file has ended: nothing, or an incomplete batch. */
  rest(): Uint8Array {
    return this.#stopped ? new Uint8Array(0) : this.#held.subarray(this.#start);
  }

  /** Whether the line that ends here is a batch's last. Most lines are only counted. */
  #endsBatch(end: number): boolean {
    this.#lines += 1;
    if (this.#lines > 1 && this.#expected !== undefined) return this.#lines >= this.#expected;
    const line = this.#held.subarray(this.#line, end);
    if (this.#lines === 1) {
      const head = parseHead(line);
      this.#expected = head.ok ? head.value.count + 2 : undefined;
      return false;
    }
    return parseSignatureLine(line) !== undefined;
  }

  #emit(end: number, onBatch: (bytes: Uint8Array) => void): void {
    onBatch(this.#held.subarray(this.#start, end));
    this.#start = end;
    this.#line = end;
    this.#lines = 0;
  }
}
