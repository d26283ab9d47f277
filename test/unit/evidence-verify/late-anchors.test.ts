/** An anchor whose entry came long after the checkpoint that it is over, as after a TPM that was away for hours. */
import { expect, test } from 'vitest';
import { base64url } from '../../../src/base/bytes.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { unjoinedSizes, verifyBytes, verifyFile } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { AnchoredLog, policyFor } from '../../support/anchored-log.ts';
import { fill } from '../../support/test-events.ts';
import { linesOf } from '../../support/test-tpm.ts';

const AT = 105;
/** Beyond what a verifier keeps of a growing tree. */
const LATER = 16_384 + 700;
const BATCH = 200;

function lateLog(): { readonly log: AnchoredLog; readonly bytes: Uint8Array } {
  const log = new AnchoredLog('late').opened();
  fill(log, AT);
  const note = log.tpm.anchor(log.note(AT));
  const { root } = log.checkpoint(AT);
  fill(log, LATER);
  // In no note of the export: only the entry bears it, and no batch ends at its size.
  log.add('anchor.made', { size: AT, root: base64url(root), lines: linesOf(note), counter: log.tpm.counter });
  const ends = Array.from({ length: Math.ceil(log.size / BATCH) }, (_, i) => Math.min((i + 1) * BATCH, log.size));
  const parts = ends.map((end, i) => log.batch(i * BATCH, end, { size: log.size }));
  return { log, bytes: new Uint8Array(Buffer.concat(parts)) };
}

test('is joined in a second reading, and a first one says what it could not join', async () => {
  const { log, bytes } = lateLog();
  const options = { cryptos: [nodeCrypto], policy: policyFor(log) };
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes;
  };
  const once: Verdict = await verifyFile(source(), options);
  expect(once.outcome).toBe('verified');
  expect(unjoinedSizes(once)).toEqual([AT]);
  expect(once.logs[0]).toMatchObject({ level: 'A1', tail: log.size });
  expect(once.logs[0]?.missing.join()).toMatch(/1 anchors, the first over size 105, .* second reading must join them/);
  const again = await verifyFile(source(), { ...options, sizes: unjoinedSizes(once) });
  expect(again.logs[0]).toMatchObject({
    level: 'A2',
    anchors: { size: AT, verified: 1 },
    tail: log.size - AT,
    missing: [],
  });
  expect(unjoinedSizes(again)).toEqual([]);
  // Bytes in memory are read again without being asked.
  expect(verifyBytes(bytes, options)).toEqual(again);
});
