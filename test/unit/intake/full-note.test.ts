/** A log signs whatever it likes onto its own notes: what is receipted has room for our line all the same. */
import { expect, test } from 'vitest';
import { formatNote, type Note, type NoteSignature, verifyLogNote } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { ownNote } from '../../../src/risk/intake/receipts.ts';
import { TestLog } from '../../support/test-log.ts';
import { grow } from './events.ts';
import { Harness, policyFor } from './harness.ts';

/** More lines of its own name than its signature. */
class FullLog extends TestLog {
  lines: readonly number[] = [];

  override note(size?: number): Note {
    const note = super.note(size);
    const more = this.lines.map((bytes): NoteSignature => {
      return { name: this.origin, keyId: Uint8Array.of(1, 2, 3, 4), signature: new Uint8Array(bytes) };
    });
    return { text: note.text, signatures: [...note.signatures, ...more] };
  }
}

test.for([
  ['one line that takes all of its bytes', [12_000]],
  ['many lines that do', Array.from({ length: 14 }, () => 800)],
  ['as many short lines as a note may have', Array.from({ length: 15 }, () => 100)],
] as const)('a note with %s is stored and receipted', async ([, lines]) => {
  const log = grow(new FullLog(), 3) as FullLog;
  log.lines = lines;
  const harness = await new Harness().open(policyFor(log));
  await harness.batch(log, log.batch(0, 3));
  expect(harness.outcomes('accepted')).toBe(1);
  expect(harness.receipts(log)).toEqual([3]);
});

test('of lines that are too many or too long the log’s signature stays, and those that come first', () => {
  const log = grow(new FullLog(), 3) as FullLog;
  const lengths = (lines: readonly number[]): readonly number[] => {
    log.lines = lines;
    const { text, signatures } = log.note();
    // Wherever it stands.
    const note = ownNote(log.vkey, { text, signatures: [...signatures.slice(1), ...signatures.slice(0, 1)] });
    expect(verifyLogNote(nodeCrypto, formatNote(note), log.vkey).ok).toBe(true);
    return note.signatures.map(({ signature }) => signature.length);
  };
  expect(lengths([200, 12_000, 300])).toEqual([64, 200]);
  expect(lengths(Array.from({ length: 15 }, () => 300))).toHaveLength(15);
  expect(lengths([200])).toEqual([64, 200]);
});
