/** `latchkey verify` with what lies beside an export: receipts, and the records of an enrolment service. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { formatEnvelope } from '../../../src/evidence/wire/envelope.ts';
import { twice, whole } from '../../support/anchored-log.ts';
import { runLatchkey } from '../../support/child.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { TestEnroller } from '../../support/test-enrolments.ts';
import { TestWitness } from '../../support/test-log.ts';
import { policyText, witnessMember } from '../../support/test-trust.ts';

const log = twice();
const store = new TestWitness('store.example/w1');
const enroller = new TestEnroller();
let dir: TempDir;

beforeAll(() => {
  dir = makeTempDir('verify-beside');
  writeFileSync(dir.file('export'), whole(log));
  const policy = policyText([], { witnesses: [witnessMember(store, 'store')], services: [enroller.row()] });
  writeFileSync(dir.file('policy.json'), policy);
  writeFileSync(dir.file('enrolment'), `${formatEnvelope(enroller.summary(log, { tpm: log.tpm }))}\n`);
  writeFileSync(dir.file('receipt-5'), formatNote(store.cosign(log.note(5), 1_700_000_000)));
  writeFileSync(dir.file('receipt-9'), formatNote(store.cosign(log.note(9), 1_700_000_100)));
});

afterAll(() => dir.remove());

const verify = (...more: readonly string[]) =>
  runLatchkey(['verify', dir.file('export'), '--policy', dir.file('policy.json'), ...more]);

test('receipts prove who stored an export, records whose log it is and which TPM its anchors are of', async () => {
  const receipts = ['--receipt', dir.file('receipt-5'), '--receipt', dir.file('receipt-9')];
  const { code, out } = await verify('--enrolment', dir.file('enrolment'), ...receipts);
  expect(code, out).toBe(0);
  expect(out).toMatch(/stored +below 9, says store\.example\/w1/);
  expect(out).toMatch(/level +A2/);
  expect(out).toMatch(/believed +key from the record; TPM from the record; record \S+ of enrolment\.lockers\.example/);
});

test('without the record nothing is told; what is named and is not there, or is something else, is an error', async () => {
  expect((await verify()).code).toBe(2);
  const gone = await verify('--receipt', dir.file('nowhere'));
  expect([gone.code, gone.err]).toEqual([2, expect.stringContaining('INPUT_UNREADABLE')]);
  const other = await verify('--enrolment', dir.file('policy.json'));
  expect([other.code, other.err]).toEqual([2, expect.stringContaining('expected a retained')]);
});
