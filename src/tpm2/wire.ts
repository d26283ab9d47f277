/**
 * Bytes of TCG structures (TPM 2.0 Library, Part 2): big-endian integers and sized buffers.
 *
 * A reader never throws for what a TPM or an interposer sent: past the end every read gives zeros and `ended` stays
 * false, so a parser reads to its end and asks once.
 */
import { assert } from '../base/assert.ts';

export class TpmWriter {
  #bytes = new Uint8Array(256);
  #size = 0;

  u8(value: number): this {
    return this.#integer(value, 1);
  }

  u16(value: number): this {
    return this.#integer(value, 2);
  }

  u32(value: number): this {
    return this.#integer(value, 4);
  }

  u64(value: bigint): this {
    assert(value >= 0n && value < 1n << 64n, 'u64 takes an unsigned 64-bit integer');
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn));
  }

  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** A TPM2B: its size in two bytes, then the bytes. */
  sized(bytes: Uint8Array): this {
    return this.u16(bytes.length).raw(bytes);
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#size);
  }

  #integer(value: number, size: 1 | 2 | 4): this {
    assert(
      Number.isInteger(value) && value >= 0 && value < 256 ** size,
      `${value} is no unsigned ${8 * size}-bit integer`,
    );
    const at = this.#room(size);
    for (let i = 0; i < size; i += 1) this.#bytes[at + i] = Math.floor(value / 256 ** (size - 1 - i)) % 256;
    return this;
  }

  #room(size: number): number {
    const at = this.#size;
    this.#size += size;
    if (this.#size > this.#bytes.length) {
      const wider = new Uint8Array(2 * this.#size);
      wider.set(this.#bytes.subarray(0, at));
      this.#bytes = wider;
    }
    return at;
  }
}

export class TpmReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #overrun = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether all bytes were read, and none beyond them. */
  get ended(): boolean {
    return !this.#overrun && this.#at === this.#bytes.length;
  }

  get overrun(): boolean {
    return this.#overrun;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#integer(1);
  }

  u16(): number {
    return this.#integer(2);
  }

  u32(): number {
    return this.#integer(4);
  }

  u64(): bigint {
    const high = this.u32();
    return (BigInt(high) << 32n) | BigInt(this.u32());
  }

  /** A copy of the next bytes; empty when there are not so many. */
  raw(size: number): Uint8Array {
    if (size > this.left) {
      this.#overrun = true;
      this.#at = this.#bytes.length;
      return new Uint8Array(0);
    }
    this.#at += size;
    return this.#bytes.slice(this.#at - size, this.#at);
  }

  /** A TPM2B's bytes; empty, and overrun, when its size is above `sizeMax`. */
  sized(sizeMax = 4096): Uint8Array {
    const size = this.u16();
    if (size > sizeMax) {
      this.#overrun = true;
      return new Uint8Array(0);
    }
    return this.raw(size);
  }

  rest(): Uint8Array {
    return this.raw(this.left);
  }

  #integer(size: 1 | 2 | 4): number {
    let value = 0;
    for (const byte of this.raw(size)) value = value * 256 + byte;
    return value;
  }
}
