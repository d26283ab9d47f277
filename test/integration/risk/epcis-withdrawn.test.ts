/** EPCIS of a parcel after the key of its log was revoked: what was passed on before is declared in error, and only that. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { base64url } from '../../../src/base/bytes.ts';
import type { EpcisEvent } from '../../../src/evidence/interchange/epcis.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { AssuranceBook } from '../../../src/risk/assurance/assurance-book.ts';
import { EpcisExport } from '../../../src/risk/dossier/epcis-export.ts';
import { SqlStore } from '../../../src/risk/intake/sql-store/sql-store.ts';
import type { EntryUse } from '../../../src/risk/intake/store.ts';
import { LedgerStore } from '../../../src/risk/ledger/ledger-store.ts';
import type { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { AnchoredLog, vkeyText } from '../../support/anchored-log.ts';
import { openInMemory } from '../../support/embedded.ts';
import { epcisProblems } from '../../support/epcis-schema.ts';
import { fill } from '../../support/test-events.ts';
import { policyOf } from '../../support/test-trust.ts';
import { PARCEL, PUT_IN, TAKEN_OUT } from '../../unit/ledger/support.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 12);
const NOW = '2026-11-22T12:00:00.000Z';
const owner = { tenant: 'default', region: 'eu' };
const place = { compartment: 'A01', device: 'board-1', parcel: PARCEL };
let database: RiskDatabase;
let store: SqlStore;
beforeAll(async () => {
  ({ database } = await openInMemory());
  store = new SqlStore({ database, crypto: nodeCrypto, ...owner });
});
afterAll(() => database.close());

/** `duplicates`: as intake judges an entry that is held at its place already. */
async function keep(log: AnchoredLog, duplicates: ReadonlyMap<number, EntryUse> = new Map()): Promise<void> {
  const rows = log.leaves.map((leaf, n) => ({
    leaf,
    leafHash: log.leafHashes[n] ?? new Uint8Array(32),
    use: duplicates.get(n) ?? ({ status: 'used' } as const),
  }));
  const trees = { before: log.frontier(0), after: log.frontier(log.size) };
  expect(await store.append([{ origin: log.origin, opens: true, rows, ...trees, storedAtMs: NOW_MS }])).toEqual([
    'stored',
  ]);
}

async function events(): Promise<readonly EpcisEvent[]> {
  const made = new EpcisExport({ database, clock: { wallMs: () => NOW_MS } });
  const document = await made.ofParcel(PARCEL.ref);
  expect(epcisProblems(JSON.parse(JSON.stringify(document)))).toEqual([]);
  expect(await made.ofParcel(PARCEL.ref)).toEqual(document);
  return document?.epcisBody.eventList ?? [];
}

test('what stands above the revocation is declared in error under its eventID, but for what a later log took over', async () => {
  const log = fill(new AnchoredLog('revoked').opened(), 2).add('parcel.deposited', PUT_IN, place);
  fill(log, 5).add('parcel.collected', TAKEN_OUT, place).add('parcel.returned', PUT_IN, place);
  log.add('parcel.removed', TAKEN_OUT, place);
  const leafOf = (n: number): string => base64url(log.leafHashes[n] ?? new Uint8Array());
  const carried = (n: number, leaf: string) => ({ ...place, carried: { log: log.origin, n, boot: 1, up_ms: n, leaf } });
  const other = base64url(new Uint8Array(32).fill(7));
  // The same at 5; at 6 something else was seen.
  const next = new AnchoredLog('next', log.tpm, 2).opened();
  next.add('parcel.collected', TAKEN_OUT, carried(5, leafOf(5)));
  fill(next.add('parcel.deposited', PUT_IN, carried(6, other)), 5);
  await keep(log);
  await keep(next, new Map([[1, { status: 'duplicate_of', of: { origin: log.origin, n: 5 } }]]));
  // What a log says whose own key is revoked corrects nothing.
  const third = new AnchoredLog('third', log.tpm, 3).opened().add('parcel.removed', TAKEN_OUT, carried(7, other));
  await keep(third);
  await new LedgerStore({ database, ...owner }).catchUp();
  const upTo = (of: AnchoredLog, size: number) => {
    return { revoked: { size, root: Buffer.from(of.checkpoint(size).root).toString('base64') } };
  };
  const rows = (isRevoked: boolean) => [
    { vkey: vkeyText(log), ...log.tpm.policy, ...(isRevoked && upTo(log, 4)) },
    { vkey: vkeyText(next), ...log.tpm.policy },
    { vkey: vkeyText(third), ...log.tpm.policy, ...(isRevoked && upTo(third, 1)) },
  ];
  let policy = policyOf([], { logs: rows(false) });
  const book = new AssuranceBook({ database, store, crypto: nodeCrypto, ...owner, policy: () => policy });
  await book.catchUp();
  const before = await events();
  expect(before.map((event) => event['errorDeclaration'])).toEqual(before.map(() => undefined));
  policy = policyOf([], { logs: rows(true) });
  await book.catchUp();
  const after = await events();
  expect(after.map(({ eventID }) => eventID)).toEqual(before.map(({ eventID }) => eventID));
  const said = Object.fromEntries(after.map((event) => [event['latchkey:entry'], event['errorDeclaration']]));
  const error = { declarationTime: NOW, reason: 'urn:x-latchkey:epcis:key_revoked' };
  expect(said).toEqual({
    [`${log.origin}#2`]: undefined,
    [`${next.origin}#1`]: undefined,
    [`${log.origin}#6`]: { ...error, correctiveEventIDs: [`ni:///sha-256;${other}`] },
    [`${log.origin}#7`]: error,
    [`${next.origin}#2`]: undefined,
    [`${third.origin}#1`]: error,
  });
  // But for the declaration, what is in error stands as it was captured.
  const inError = after.filter((event) => event['errorDeclaration'] !== undefined);
  for (const { errorDeclaration: _error, ...event } of inError) expect(before).toContainEqual(event);
  // A revocation that is taken back takes the declarations with it.
  policy = policyOf([], { logs: rows(false) });
  await book.catchUp();
  expect(await events()).toEqual(before);
});
