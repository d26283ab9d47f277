/** `latchkey risk import`, `refund`, `replay`, `holds` and `hold-release` on an embedded database, as a person uses them. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { explain } from '../../../src/base/errors.ts';
import { CommandArgs, type CommandIo, type CommandRun } from '../../../src/cli/command.ts';
import { riskBundleCommand } from '../../../src/cli/commands/risk-bundle.ts';
import {
  riskHoldReleaseCommand,
  riskHoldsCommand,
  riskSettleCommand,
  riskWorkCommand,
} from '../../../src/cli/commands/risk-casework.ts';
import { riskPatternsCommand } from '../../../src/cli/commands/risk-patterns.ts';
import { riskImportCommand, riskRefundCommand, riskReplayCommand } from '../../../src/cli/commands/risk-refund.ts';
import { riskEraseCommand, riskRetentionCommand } from '../../../src/cli/commands/risk-retention.ts';
import { withRiskSide } from '../../../src/cli/risk-store.ts';
import type { Decision } from '../../../src/risk/decision/decision.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { embedded } from '../../support/embedded.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir('risk');
const config = dir.file('receive.yaml');
const settings = {
  data_dir: dir.file('data'),
  store: 'embedded',
  trust_first_use: true,
  mqtt: { url: 'mqtt://127.0.0.1:1' },
  witness: { name: 'refunds.example/receipts', role: 'advisory' },
};
let kept: RiskDatabase | undefined;
beforeAll(async () => {
  await embedded(dir.file('data', 'database'));
  writeFileSync(config, stringify(settings));
});
afterAll(async () => {
  await kept?.close();
  dir.remove();
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * Once some commands have started the database and closed it again: those that follow find it open, and their close lets it
 * be, since a start takes half a second of processor time.
 */
async function keepOpen(): Promise<void> {
  const open = vi.spyOn(RiskDatabase, 'open');
  kept = await RiskDatabase.open({ engine: 'pglite', directory: dir.file('data', 'database') });
  open.mockResolvedValue(Object.create(kept, { close: { value: () => Promise.resolve() } }));
}

const quiet: CommandIo = {
  out: () => undefined,
  err: () => undefined,
  write: () => Promise.resolve(),
  signal: new AbortController().signal,
};

async function run(
  command: CommandRun,
  positionals: readonly string[],
  options: Readonly<Record<string, unknown>> = {},
): Promise<Ran> {
  const lines = { out: [] as string[], err: [] as string[] };
  const io: CommandIo = {
    out: (line) => void lines.out.push(line),
    err: (line) => void lines.err.push(line),
    write: () => Promise.resolve(),
    signal: new AbortController().signal,
  };
  const code = await command(new CommandArgs(positionals, { config, ...options }), io);
  return { code, out: lines.out.join('\n'), err: lines.err.join('\n') };
}

function fileOf(name: string, value: unknown): string {
  writeFileSync(dir.file(name), JSON.stringify(value));
  return dir.file(name);
}

const request = {
  refund_id: 'r-1',
  kind: 'return',
  parcel_refs: ['k1.parcel'],
  amount_minor: 4_200,
  currency: 'USD',
  operator: 'op-1',
  requested_at: new Date().toISOString(),
  payment_ref: 'pay-1',
};

test('what is imported is decided on, kept, and replayed', async () => {
  const payments = fileOf('payments.json', [{ payment_ref: 'pay-1', currency: 'USD', captured_minor: 9_000 }]);
  expect(await run(riskImportCommand, ['payments', payments])).toMatchObject({ code: 0, out: '1 payments imported' });
  const claims = fileOf('claims.json', [
    { parcel: 'k1.parcel', ref: 'wms:1', at_ms: 1, body: { what: 'warehouse_received' } },
    { parcel: 'k1.parcel', ref: 'wms:2', at_ms: 2, body: { what: 'inspected', result: 'ok' } },
  ]);
  await run(riskImportCommand, ['claims', claims]);
  const { out } = await run(riskRefundCommand, [fileOf('request.json', request)], { json: true });
  const decision = JSON.parse(out) as Decision;
  expect(decision).toMatchObject({ refund_id: 'r-1', outcome: 'PAY' });
  expect(decision.reasons[0]?.events).toEqual(['wms:1', 'wms:2']);
  const again = await run(riskReplayCommand, [decision.decision_id], { json: true });
  expect(again).toMatchObject({ code: 0, err: 'the same as it was decided' });
  expect(JSON.parse(again.out)).toEqual({ refund: 'r-1', ...decision });
  const people = await run(riskRefundCommand, [dir.file('request.json')]);
  expect(people.out).toContain('r-1: PAY');
  await keepOpen();
});

test('a round of work tells what waits for an endpoint', async () => {
  const worked = JSON.parse((await run(riskWorkCommand, [], { json: true })).out) as object;
  expect(worked).toMatchObject({ outbox: { waiting: 1, delivered: 0 }, holds: { open: 0, overdue: 0 }, dead: [] });
});

test.for([
  [riskImportCommand, ['payments', 'missing.json'], /cannot read/],
  [riskImportCommand, ['payments', 'wrong.json'], /0\.currency/],
  [riskImportCommand, ['parcels', 'wrong.json'], /expected payments, rates, claims or relations/],
  [riskRefundCommand, ['wrong.json'], /refund_id|Invalid input/],
  [riskReplayCommand, ['d-none'], /there is no decision/],
] as const)('%# is refused with its reason', async ([command, positionals, why]) => {
  fileOf('wrong.json', [{ payment_ref: 'p', currency: 'usd', captured_minor: 1 }]);
  const named = positionals.map((name) => (name.endsWith('.json') ? dir.file(name) : name));
  await expect(run(command, named)).rejects.toThrow(why);
});

test('a reference is erased when a person says so, and what was decided on it still replays', async () => {
  const name = { parcel: 'k1.parcel', reason: 'asked for by its subject', by: 'operator:dpo-1' };
  const before = JSON.parse((await run(riskRefundCommand, [dir.file('request.json')], { json: true })).out) as Decision;
  const held = await run(riskEraseCommand, [], { ...name, yes: true });
  expect(held).toMatchObject({
    code: 75,
    err: 'nothing was erased: it is needed by payment_ordered r-1; close it first',
  });
  const settled = { reference: 'se-1', amount: '4200', currency: 'USD' };
  await run(riskSettleCommand, ['r-1'], settled);
  const endpoint = await withRiskSide(new CommandArgs([], { config }), quiet, async ({ database }) =>
    database.as('payments', (trx) =>
      trx.updateTable('payments.outbox').set({ state: 'delivered' }).returning('refund_id').execute(),
    ),
  );
  expect(endpoint).toEqual([{ refund_id: 'r-1' }]);
  const plan = await run(riskEraseCommand, [], name);
  expect(plan.out).toMatch(
    /^found: .*2 claims, 1 refunds, 1 payments, 1 decisions, 0 customers\nnothing was changed; say --yes to erase$/,
  );
  const { code, out } = await run(riskEraseCommand, [], { ...name, yes: true, json: true });
  expect([code, JSON.parse(out)]).toMatchObject([
    0,
    { outcome: 'erased', counts: { claims: 2 }, compacted: { left: [] } },
  ]);
  const again = await run(riskReplayCommand, [before.decision_id], { json: true });
  expect(again).toMatchObject({ code: 0, err: 'the same as it was decided' });
  expect(again.out).not.toMatch(/r-1|k1\.parcel|wms:/);
  await expect(run(riskEraseCommand, [], { ...name, yes: true })).rejects.toThrow(/nothing: no row names/);
  await expect(run(riskEraseCommand, [], { reason: 'x' })).rejects.toThrow(
    /expected one of --parcel REF, --actor REF and --customer REF/,
  );
  const kept = await run(riskRetentionCommand, []);
  expect(kept.out).toMatch(
    /^due: 0 bodies, 0 mentions, 0 hands, 0 claims, .*\nnothing was changed; say --yes to take it away$/,
  );
});

test('patterns are counted by hand, and what is there may be newer', async () => {
  const found = await run(riskPatternsCommand, []);
  expect([found.code, found.out]).toEqual([
    0,
    expect.stringMatching(/^found as of .*: 1 operators, 0 lockers, 0 couriers$/),
  ]);
  const { out } = await run(riskPatternsCommand, [], { json: true });
  expect(JSON.parse(out)).toMatchObject({ operators: 1, lockers: 0, kept: true });
});

test('what is held is listed, shown, and let go by people who say why, or refused for good, for its tenant alone', async () => {
  const payments = fileOf('payments.json', [{ payment_ref: 'pay-2', currency: 'USD', captured_minor: 90_000 }]);
  await run(riskImportCommand, ['payments', payments]);
  const held = async (id: string): Promise<string> => {
    const of = { ...request, refund_id: id, parcel_refs: [`k1.${id}`], operator: `op-${id}`, payment_ref: 'pay-2' };
    const { out } = await run(riskRefundCommand, [fileOf(`${id}.json`, of)], { json: true });
    const decision = JSON.parse(out) as Decision;
    expect(decision.outcome).toBe('HOLD');
    return `h-${decision.decision_id.slice(2)}`;
  };
  const [paid, denied] = [await held('r-held'), await held('r-denied')];
  const { code, out: listed } = await run(riskHoldsCommand, []);
  expect(code).toBe(0);
  expect(listed).toContain(`${paid}  r-held: HOLD (`);
  expect(listed).toContain(`${denied}  r-denied: HOLD (`);

  // Each command that waits by its own kind: whoever reads it looks for no payment that was never ordered.
  const plan = await run(riskEraseCommand, [], { parcel: 'k1.r-held', reason: 'asked for', by: 'operator:dpo-1' });
  expect(plan.out).toContain('needed by hold_settlement r-held:');
  expect(plan.out).not.toContain('payment_ordered');
  const [actor, reason] = ['ana', 'seen by the warehouse'];
  await expect(run(riskHoldReleaseCommand, [paid], { reason })).rejects.toThrow(/--actor/);
  for (const wrong of ['4111111111111111', 'Jane Doe', '481516', 'jane@shop.example']) {
    const told = /^(?!.*(?:4111|Jane|4815|jane)).* is kept for good/;
    await expect(run(riskHoldReleaseCommand, [paid], { actor: wrong, reason })).rejects.toThrow(told);
    const settled = { reference: wrong, amount: '1', currency: 'USD' };
    await expect(run(riskSettleCommand, ['r-1'], settled)).rejects.toThrow(told);
    await expect(run(riskRefundCommand, [fileOf('kept.json', request)], { key: wrong })).rejects.toThrow(told);
    await expect(run(riskBundleCommand, ['refund', 'r-1'], { out: dir.file(wrong) })).rejects.toThrow(told);
  }
  const next = (ran: Promise<unknown>) => ran.then(() => 'done', explain);
  const release = (hold: string, more: object = {}) =>
    next(run(riskHoldReleaseCommand, [hold], { actor, reason, ...more }));
  expect(await release('h-none')).toBe(
    'there is no hold "h-none". Check the name, and that the settings name the right database (NAME_UNKNOWN)',
  );
  expect(await release(paid, { actor: 'op-r-held' })).toMatch(
    /^own_refund: .*; another person has to answer it\. .*\(WORD_REFUSED\)$/,
  );
  const unordered = next(run(riskSettleCommand, ['r-held'], { reference: 'se-9', amount: '4200', currency: 'USD' }));
  expect(await unordered).toMatch(
    /^not_ordered: .*; a case was opened: clear it up with the payment side .*\(WORD_REFUSED\)$/,
  );
  expect(await next(run(riskRefundCommand, [fileOf('r-held.json', { ...request, refund_id: 'r-held' })]))).toMatch(
    /^key_reused: .*; send another --key with it, .*\(WORD_REFUSED\)$/,
  );
  await expect(run(riskHoldsCommand, [], { state: 'lost' })).rejects.toThrow(/--state: expected open/);
  expect((await run(riskHoldReleaseCommand, [paid], { actor, reason })).out).toBe('r-held: released');
  expect(await release(paid)).toMatch(
    /^refund_closed: .*; "latchkey risk holds ID" shows how it ended\. .*\(WORD_REFUSED\)$/,
  );
  const { out } = await run(riskHoldReleaseCommand, [denied], { actor, reason, deny: true, json: true });
  expect(JSON.parse(out)).toMatchObject({ state: 'denied' });
  const shown = await run(riskHoldsCommand, [paid]);
  expect(shown.out).toMatch(/^ {2}return_deposited$/m);
  expect(shown.out).toMatch(/^ {2}\S+Z {2}placed +system/m);
  expect(shown.out).toContain(`ana: ${reason}`);
  const other = fileOf('other.yaml', { ...settings, tenant: 'other' });
  const foreign = run(riskHoldsCommand, [], { config: other });
  await expect(foreign).rejects.toThrow('tenant: expected "default", whose rows this database holds, found "other"');
  const rest = JSON.parse((await run(riskHoldsCommand, [], { json: true })).out) as object;
  expect(rest).toEqual({ holds: [] });
});
