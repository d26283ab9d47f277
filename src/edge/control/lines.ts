/** Cuts a byte stream into lines of bounded length. */
import { StringDecoder } from 'node:string_decoder';

export class LineCutter {
  readonly #sizeMax: number;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** The whole lines so far, or undefined when a line grew past the limit: the stream is then of no more use. */
  push(chunk: Uint8Array): readonly string[] | undefined {
    this.#rest += this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > this.#sizeMax || lines.some((line) => line.length > this.#sizeMax)) return undefined;
    return lines;
  }
}
