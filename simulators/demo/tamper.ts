/**
 * What somebody with write access to the evidence could try: copies of an export that say something else.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { present } from '../../src/base/assert.ts';
import type { Exported } from './exported.ts';

export interface Tampering {
  /** What was done, as a clause. */
  readonly what: string;
  readonly file: string;
}

/** Changes one byte so that a parcel lay in another compartment. */
export function flipOneByte(source: string, exported: Exported, file: string): Tampering {
  const found = exported.events.find(({ event }) => event.type === 'parcel.deposited');
  const { line, event } = present(found ?? exported.events.at(-1), 'an entry to change');
  const member = `"compartment":"${event.compartment ?? ''}"`;
  const text = present(exported.lines[line], 'its line');
  const inLine = event.compartment === undefined ? text.length - 3 : text.indexOf(member) + member.length - 2;
  const before = exported.lines.slice(0, line).reduce((sum, one) => sum + Buffer.byteLength(one) + 1, 0);
  const at = before + Buffer.byteLength(text.slice(0, inLine));
  const bytes = new Uint8Array(readFileSync(source));
  const old = present(bytes[at], 'the byte');
  // Bit 1: `1` becomes `3`, `2` becomes `0`.
  bytes[at] = old ^ 0x02;
  writeFileSync(file, bytes);
  const character = (byte: number): string => JSON.stringify(String.fromCharCode(byte));
  return { what: `byte ${at} changed from ${character(old)} to ${character(old ^ 0x02)} (entry ${event.n})`, file };
}

/** Takes a whole signed batch out of the middle: each remaining signature is still good. */
export function removeBatch(exported: Exported, file: string): Tampering | undefined {
  const { batches, lines } = exported;
  const removed = batches[Math.floor(batches.length / 2)];
  if (removed === undefined || batches.length < 3) return undefined;
  const kept = lines.filter((_, i) => i < removed.headerLine || i >= removed.headerLine + removed.count + 2);
  writeFileSync(file, `${kept.join('\n')}\n`);
  return { what: `the batch with entries ${removed.first} to ${removed.first + removed.count - 1} taken out`, file };
}
