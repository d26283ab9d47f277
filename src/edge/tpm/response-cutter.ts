/** Collects the pieces of one response until it is whole, and refuses what cannot become one. */
import { concatBytes } from '../../base/bytes.ts';
import { TpmTamperedError } from './errors.ts';
import { HEADER_BYTES, PACKET_BYTES_MAX } from './transport.ts';

export class ResponseCutter {
  #kept: Uint8Array = new Uint8Array(0);

  /** The response, or undefined while it is not whole. Throws TpmTamperedError. */
  push(piece: Uint8Array): Uint8Array | undefined {
    this.#kept = concatBytes(this.#kept, piece);
    if (this.#kept.length < 6) return undefined;
    const size = new DataView(this.#kept.buffer).getUint32(2);
    if (size < HEADER_BYTES) {
      throw new TpmTamperedError('response_short', `a response claims ${size} bytes; its header has ${HEADER_BYTES}`);
    }
    if (size > PACKET_BYTES_MAX) {
      throw new TpmTamperedError('response_long', `a response claims ${size} bytes; expected at most 4096`);
    }
    if (this.#kept.length < size) return undefined;
    if (this.#kept.length > size) {
      throw new TpmTamperedError('response_size', `${this.#kept.length} bytes came for a response of ${size}`);
    }
    return this.#kept;
  }

  get sizeBytes(): number {
    return this.#kept.length;
  }
}
