/**
 * `latchkey risk ledger`: the story of one parcel out of verified files and the claims about it. What does not verify is
 * not read. Loads no native code.
 */
import { readFileSync } from 'node:fs';
import { utf8Text } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { frameBatch, parseHead } from '../../evidence/batch/batch.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { parsePolicy, type TrustPolicy } from '../../evidence/verify/policy.ts';
import { BatchSplitter } from '../../evidence/verify/split-batches.ts';
import type { LogFinding } from '../../evidence/verify/verdict.ts';
import { verifyBytes } from '../../evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { claimOf, claimRowsSchema } from '../../risk/ledger/claims-file.ts';
import { foldLedger, type ParcelLedger } from '../../risk/ledger/fold.ts';
import type { Claim, LedgerEntry } from '../../risk/ledger/inputs.ts';
import { entriesAbout } from '../../risk/ledger/select.ts';
import type { CommandIo, CommandRun } from '../command.ts';
import { readJson } from '../read-json.ts';

export const riskLedgerCommand: CommandRun = async (args, io) => {
  const [parcel = '', ...files] = args.positionals;
  const policy = policyIn(args.required('policy'));
  const claims = args.text('claims');
  const entries = files.flatMap((file) => verifiedEntries(file, policy));
  const inputs = [...entriesAbout(parcel, entries), ...(claims === undefined ? [] : claimsIn(claims, parcel))];
  const ledger = foldLedger(parcel, inputs, Date.now());
  if (args.flag('json')) io.out(JSON.stringify(ledger));
  else show(ledger, io);
  return 0;
};

function policyIn(file: string): TrustPolicy {
  const policy = parsePolicy(nodeCrypto, read(file));
  if (!policy.ok)
    throw new LatchkeyError('INPUT_UNREADABLE', `${file} is no trust policy; try "latchkey config check ${file}"`);
  return policy.value;
}

function verifiedEntries(file: string, policy: TrustPolicy): readonly LedgerEntry[] {
  const bytes = read(file);
  const verdict = verifyBytes(bytes, { cryptos: [nodeCrypto], policy });
  if (verdict.outcome !== 'verified' || verdict.kind === 'bundle') {
    const why =
      verdict.kind === 'bundle'
        ? 'a bundle answers one question; give an export'
        : `${verdict.reason}: ${verdict.detail ?? ''}`;
    throw new LatchkeyError('INPUT_UNREADABLE', `${file}: expected a batch or an export that verifies, found ${why}`);
  }
  const entries: LedgerEntry[] = [];
  const splitter = new BatchSplitter();
  const take = (batch: Uint8Array): void => void entries.push(...entriesOf(batch, verdict.logs));
  splitter.push(bytes, take);
  if (splitter.rest().length > 0) take(splitter.rest());
  return entries;
}

function entriesOf(batch: Uint8Array, logs: readonly LogFinding[]): readonly LedgerEntry[] {
  const frame = frameBatch(batch);
  const head = frame.ok ? parseHead(frame.value.header) : frame;
  if (!frame.ok || !head.ok) return [];
  const { origin, first } = head.value;
  const log = logs.find((one) => one.origin === origin);
  const named = parseOrigin(origin);
  if (log === undefined || !named.ok) return [];
  return frame.value.leaves.map((leaf, at) => {
    const n = first + at;
    const level = n >= log.end - log.tail ? (log.tailLevel ?? log.level) : log.level;
    const event = JSON.parse(utf8Text(leaf) ?? '') as CustodyEvent;
    return {
      kind: 'entry',
      ref: `${origin}#${n}`,
      gateway: named.value.gateway,
      log: named.value.number,
      n,
      event,
      level,
    };
  });
}

function claimsIn(file: string, parcel: string): readonly Claim[] {
  return readJson(file, claimRowsSchema)
    .filter((row) => row.parcel === parcel)
    .map(claimOf);
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${file}: ${messageOf(error)}`);
  }
}

function show({ facts, timeline }: ParcelLedger, io: CommandIo): void {
  for (const { at_ms, what, compartment, ref, forward, return: back } of timeline) {
    const where = compartment === undefined ? '' : ` ${compartment}`;
    const states = back === 'NONE' ? forward : `${forward}, return ${back}`;
    io.out(`${new Date(at_ms).toISOString()}  ${`${what}${where}`.padEnd(34)} ${states.padEnd(26)} ${ref}`);
  }
  if (timeline.length === 0) io.out(`nothing is known of ${facts.ref}`);
  for (const leg of ['forward', 'return'] as const) {
    const { state, certainty, custodian } = facts[leg];
    if (state !== 'NONE') io.out(`${leg}: ${state}, ${certainty}, with ${custodian}`);
  }
  for (const { code, severity, events, innocent } of facts.contradictions) {
    io.out(`${code} (${innocent === undefined ? severity : `explained: ${innocent}`})  ${events.join(', ')}`);
  }
}
