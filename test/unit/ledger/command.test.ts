/** The story of a parcel out of files that verify, and of nothing else. */
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { CommandArgs, type CommandIo } from '../../../src/cli/command.ts';
import { riskLedgerCommand } from '../../../src/cli/commands/risk-ledger.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { policyText } from '../../support/test-trust.ts';
import { PARCEL, PUT_IN } from './support.ts';

const dir = makeTempDir('ledger');
afterAll(() => dir.remove());

const place = { compartment: 'A01', device: 'board-1' };
const OTHER = { ref: 'k1.BBBBBBBBBBBBBBBBBBBBBB', scheme: 'sscc' };

function story(): TestLog {
  const log = new TestLog();
  const lines = [
    eventOf(log, 0, 'journal.opened', { version: '0.1.0' }),
    eventOf(log, 1, 'parcel.deposited', PUT_IN, { ...place, parcel: PARCEL }),
    eventOf(log, 2, 'parcel.deposited', PUT_IN, { ...place, compartment: 'A02', parcel: OTHER }),
    eventOf(log, 3, 'door.forced', { reason: 'lock_engaged' }, place),
    eventOf(log, 4, 'door.forced', { reason: 'lock_engaged' }, { ...place, compartment: 'A02' }),
  ];
  return log.append(...lines.map((event) => encodeLeaf(event)));
}

async function run(positionals: readonly string[], options: Readonly<Record<string, unknown>>): Promise<string> {
  const lines: string[] = [];
  const io: CommandIo = {
    out: (line) => void lines.push(line),
    err: () => undefined,
    write: () => Promise.resolve(),
    signal: new AbortController().signal,
  };
  expect(await riskLedgerCommand(new CommandArgs(positionals, options), io)).toBe(0);
  return lines.join('\n');
}

function fileOf(name: string, content: string | Uint8Array): string {
  writeFileSync(dir.file(name), content);
  return dir.file(name);
}

describe('latchkey risk ledger', () => {
  const log = story();
  const policy = fileOf('policy.json', policyText([log]));
  const exported = fileOf('export.ndjson', log.export(3));

  test('tells what concerns the parcel, and nothing of its neighbour', async () => {
    const text = await run([PARCEL.ref, exported], { policy });
    expect(text).toContain(`${log.origin}#1`);
    expect(text).toContain(`${log.origin}#3`);
    expect(text).not.toMatch(/#[24]\b/);
    expect(text).toContain('forward: IN_LOCKER, confirmed, with locker_operator');
    expect(text).toContain('C07 (hard)');
  });

  test('adds the claims, and gives programs the facts of a decision', async () => {
    const claims = fileOf(
      'claims.json',
      JSON.stringify([
        { parcel: 'k1.another', ref: 'wms:2', at_ms: 1, body: { what: 'declared', weight_g: 9_000 } },
        { parcel: PARCEL.ref, ref: 'wms:1', at_ms: 1, body: { what: 'declared', weight_g: 1_000 } },
      ]),
    );
    const { facts } = JSON.parse(await run([PARCEL.ref, exported], { policy, claims, json: true })) as {
      readonly facts: {
        readonly forward: { readonly signals: readonly { readonly name: string; readonly level: string }[] };
      };
    };
    expect(facts.forward.signals).toContainEqual(expect.objectContaining({ name: 'weight', level: 'A0' }));
  });

  test('says so when nothing is known', async () => {
    expect(await run(['k1.unknown', exported], { policy })).toContain('nothing is known of k1.unknown');
  });

  test('reads nothing from a file that does not verify', async () => {
    const bytes = log.export(3);
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
    const forged = fileOf('forged.ndjson', bytes);
    await expect(run([PARCEL.ref, forged], { policy })).rejects.toThrow(/expected a batch or an export that verifies/);
    const foreign = fileOf('foreign.json', policyText([new TestLog('another')]));
    await expect(run([PARCEL.ref, exported], { policy: foreign })).rejects.toThrow(/expected a batch or an export/);
  });

  test.for([
    ['{', /as JSON/],
    ['[{"ref":"x"}]', /0\.parcel/],
    ['[{"parcel":"k","ref":"x","at_ms":1,"body":{"what":"paid"}}]', /0\.body/],
  ] as const)('refuses claims %s', async ([text, why]) => {
    await expect(run([PARCEL.ref, exported], { policy, claims: fileOf('bad.json', text) })).rejects.toThrow(why);
  });
});
