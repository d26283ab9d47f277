/** Too many entries for the daily tests: the page reads an export again where only that joins an anchor to what it is over. */
import { expect, test } from 'vitest';
import { judge } from '../../src/web/verify/judge.ts';
import type { SourceFile, Told } from '../../src/web/verify/protocol.ts';
import { AnchoredLog } from '../support/anchored-log.ts';
import { proofPolicy } from '../support/proof-files.ts';
import { fill } from '../support/test-events.ts';
import { linesOf } from '../support/test-tpm.ts';

/** Beyond what a verifier keeps of a growing tree. */
const LATER = 16_384 + 700;
const AT = 105;

test('the page reads an export a second time for an anchor that came late, and tells how far it is', async () => {
  const late = new AnchoredLog('late').opened();
  fill(late, AT);
  const note = late.tpm.anchor(late.note(AT));
  const root = Buffer.from(late.checkpoint(AT).root).toString('base64url');
  fill(late, LATER).add('anchor.made', { size: AT, root, lines: linesOf(note), counter: late.tpm.counter });
  const file = named(late.export(200));
  const told: Told[] = [];
  await judge({ file, policy: named(proofPolicy(late)), beside: [] }, (each) => told.push(each));
  const progress = told.filter((each) => each.kind === 'progress');
  expect(progress.at(-1)).toMatchObject({ doneBytes: 2 * file.size, totalBytes: 2 * file.size });
  const finding = { level: 'A2' };
  expect(told.at(-1)).toMatchObject({ kind: 'judged', view: { outcome: 'verified', logs: [{ finding }] } });
});

function named(bytes: Uint8Array): SourceFile {
  const slice = (from: number, to: number): { arrayBuffer(): Promise<ArrayBuffer> } => ({
    arrayBuffer: async () => Uint8Array.from(bytes.subarray(from, to)).buffer,
  });
  return { name: 'file', size: bytes.length, slice };
}
