/**
 * `latchkey decode`: what a batch or an export says, for a person who looks for something, or what a captured frame of a
 * device says. Believes nothing and proves nothing: that is `verify`. Loads no native code.
 */
import { createReadStream } from 'node:fs';
import { utf8Text } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { frameBatch, parseHead } from '../../evidence/batch/batch.ts';
import { BatchSplitter } from '../../evidence/verify/split-batches.ts';
import type { CommandIo, CommandRun } from '../command.ts';
import { describeLeaf } from '../describe-leaf.ts';

export const decodeCommand: CommandRun = async (args, io) => {
  const [file = '', ...hex] = args.positionals;
  const { decodeFrame, isFrameFamily } = await import('./decode-frame.ts');
  if (hex.length > 0 || isFrameFamily(file)) return decodeFrame(file, hex, args.flag('json'), io);
  const decoder = new Decoder(io, args.flag('json'));
  const splitter = new BatchSplitter();
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, signal: io.signal })) {
      splitter.push(chunk, (bytes) => decoder.take(bytes));
    }
  } catch (error) {
    if (error instanceof LatchkeyError) throw error;
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${file}: ${messageOf(error)}`);
  }
  const rest = splitter.rest();
  if (rest.length > 0 || decoder.batches === 0) decoder.take(rest);
  io.err(`${decoder.entries} entries in ${decoder.batches} batches, nothing verified: "latchkey verify" does that`);
  return 0;
};

class Decoder {
  readonly #io: CommandIo;
  readonly #json: boolean;
  batches = 0;
  entries = 0;

  constructor(io: CommandIo, json: boolean) {
    this.#io = io;
    this.#json = json;
  }

  /** Throws INPUT_UNREADABLE at the first bytes that are not framed as a batch. */
  take(bytes: Uint8Array): void {
    const frame = frameBatch(bytes);
    const head = frame.ok ? parseHead(frame.value.header) : frame;
    if (!frame.ok || !head.ok) {
      const expected = `expected a batch (header, events, signature line) after ${this.entries} entries`;
      throw new LatchkeyError('INPUT_UNREADABLE', `${expected}, found ${head.ok ? 'something else' : head.detail}`);
    }
    const { origin, first, count, size } = head.value;
    if (!this.#json)
      this.#io.out(`batch ${this.batches}: ${origin}, entries ${first} to ${first + count - 1} of ${size}`);
    for (const leaf of frame.value.leaves) {
      const text = utf8Text(leaf) ?? '';
      this.#io.out(this.#json ? text : describeLeaf(text));
    }
    this.batches += 1;
    this.entries += frame.value.leaves.length;
  }
}
