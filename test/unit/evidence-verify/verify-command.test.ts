/** `latchkey verify` and `latchkey epcis` as functions: what they print for programs, and receipts beside several files. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { base64, base64url, utf8 } from '../../../src/base/bytes.ts';
import { CommandArgs, type CommandIo } from '../../../src/cli/command.ts';
import { epcisCommand } from '../../../src/cli/commands/epcis.ts';
import { verifyCommand } from '../../../src/cli/commands/verify.ts';
import type { SeveralVerdicts } from '../../../src/cli/commands/verify-several.ts';
import { jsonLine } from '../../../src/cli/json-line.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { formatNote, type Note } from '../../../src/evidence/log/note.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { leakedBytes } from '../../support/plain-json.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { eventOf, fill } from '../../support/test-events.ts';
import { TestLog, TestWitness } from '../../support/test-log.ts';
import { policyText, witnessMember } from '../../support/test-trust.ts';
import { PARCEL, PUT_IN } from '../ledger/support.ts';

const store = new TestWitness('store.example/w1');
const old = fill(new TestLog('told-old'), 12);
const next = new TestLog('told-next', 'gw-0001', 2);
const stranger = fill(new TestLog('told-stranger', 'gw-0077'), 4);
let dir: TempDir;

beforeAll(() => {
  dir = makeTempDir('verify-command');
  const after = { cause: 'rotation', log: old.origin, root: base64url(old.checkpoint().root), size: old.size };
  fill(next, 9, after).append(
    encodeLeaf(eventOf(next, 9, 'parcel.deposited', PUT_IN, { compartment: 'A01', parcel: PARCEL })),
    encodeLeaf(eventOf(next, 10, 'parcel.teleported', {})),
  );
  writeFileSync(dir.file('old'), old.export(5));
  writeFileSync(dir.file('next'), next.export(5));
  writeFileSync(dir.file('policy'), policyText([old, next], { witnesses: [witnessMember(store, 'store')] }));
  for (const [name, log, size] of [
    ['old', old, 10],
    ['next', next, 7],
    ['stranger', stranger, 3],
  ] as const) {
    writeFileSync(dir.file(`receipt-${name}`), formatNote(store.cosign(log.note(size), 1_700_000_000)));
  }
});
afterAll(() => dir.remove());

interface Told {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(command: typeof verifyCommand, files: readonly string[], values: object): Promise<Told> {
  const out: string[] = [];
  const err: string[] = [];
  const io: CommandIo = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    write: async () => undefined,
    signal: new AbortController().signal,
  };
  const args = new CommandArgs(
    files.map((name) => dir.file(name)),
    { policy: dir.file('policy'), ...values },
  );
  return { code: await command(args, io), out: out.join('\n'), err: err.join('\n') };
}

describe('what is printed for programs', () => {
  test('has the root of a predecessor as text, of one file and of several, and no bytes anywhere', async () => {
    const one = await run(verifyCommand, ['next'], { json: true });
    expect(one.code).toBe(0);
    expect(leakedBytes(one.out)).toEqual([]);
    const { logs } = JSON.parse(one.out) as Verdict;
    expect(logs[0]?.predecessor).toEqual({
      origin: old.origin,
      last: { size: 12, root: base64(old.checkpoint().root) },
    });
    const several = await run(verifyCommand, ['old', 'next'], { json: true });
    expect(leakedBytes(several.out)).toEqual([]);
    expect(several.out).toContain(base64(old.checkpoint().root));
    const epcis = await run(epcisCommand, ['old', 'next'], {});
    expect(leakedBytes(epcis.out)).toEqual([]);
    // The search finds what it is for.
    expect(leakedBytes(JSON.stringify({ a: [{ root: utf8('ab') }], b: Buffer.from('c') }))).toEqual([
      '/a/0/root',
      '/b',
    ]);
    expect(jsonLine({ a: utf8('ab'), b: Buffer.from('c'), c: [utf8('')] })).toBe('{"a":"YWI=","b":"Yw==","c":[""]}');
  });
});

describe('receipts beside several files', () => {
  test('count each for its own log, and one of a log that is not here is named', async () => {
    const receipt = ['receipt-old', 'receipt-next', 'receipt-stranger'].map((name) => dir.file(name));
    const told = await run(verifyCommand, ['old', 'next'], { json: true, receipt });
    const { files, outcome } = JSON.parse(told.out) as SeveralVerdicts;
    expect(outcome).toBe('verified');
    expect(files.map(({ logs }) => [logs[0]?.receiptedSize, logs[0]?.missing])).toEqual([
      [10, []],
      [7, []],
    ]);
    expect(told.err).toBe(`${dir.file('receipt-stranger')} is of ${stranger.origin}: it says nothing of these files`);
  });

  test('that do not verify are counted, and what is no note at all too', async () => {
    writeFileSync(dir.file('receipt-none'), 'no note');
    const [ours = stranger.note(3).signatures[0], ...more] = store.cosign(old.note(10), 1).signatures;
    const forged = { text: old.note(10).text, signatures: [{ ...ours, signature: new Uint8Array(64) }, ...more] };
    writeFileSync(dir.file('receipt-bad'), formatNote(forged as Note));
    const receipt = ['receipt-none', 'receipt-bad'].map((name) => dir.file(name));
    const told = await run(verifyCommand, ['old'], { json: true, receipt });
    const { logs } = JSON.parse(told.out) as Verdict;
    expect(logs[0]).toMatchObject({ receiptedSize: 0, missing: ['2 receipts do not verify and count for nothing'] });
  });
});

describe('latchkey epcis', () => {
  test('writes the verified events that have a counterpart, and says what it leaves out', async () => {
    const told = await run(epcisCommand, ['old', 'next'], {});
    const { epcisBody } = JSON.parse(told.out) as { readonly epcisBody: { readonly eventList: readonly object[] } };
    expect(epcisBody.eventList).toHaveLength(1);
    expect(epcisBody.eventList[0]).toMatchObject({ 'latchkey:entry': `${next.origin}#9`, 'latchkey:level': 'A0' });
    expect(told.err).toContain('1 of 23 entries are in the document');
    expect(told.err).toContain('gateway.alive (19)');
    expect(told.err).toContain('1 are of unknown kind or withheld');
  });

  test('reads nothing that does not verify', async () => {
    writeFileSync(
      dir.file('broken'),
      old.export(5).map((byte, i) => (i === 700 ? byte ^ 1 : byte)),
    );
    await expect(run(epcisCommand, ['broken'], {})).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
  });
});
