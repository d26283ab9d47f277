/**
 * `latchkey risk ledger`: the story of one parcel out of verified files and the claims about it. What does not verify is
 * not read. Loads no native code.
 */
import { utf8Text } from '../../base/bytes.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { claimOf, claimRowsSchema } from '../../risk/ledger/claims-file.ts';
import { foldLedger, type ParcelLedger } from '../../risk/ledger/fold.ts';
import type { Claim, LedgerEntry } from '../../risk/ledger/inputs.ts';
import { entriesAbout } from '../../risk/ledger/select.ts';
import type { CommandIo, CommandRun } from '../command.ts';
import { readJson } from '../read-json.ts';
import { policyIn, type VerifiedEntry, verifiedEntries } from '../verified-entries.ts';

export const riskLedgerCommand: CommandRun = async (args, io) => {
  const [parcel = '', ...files] = args.positionals;
  const policy = policyIn(args.required('policy'));
  const claims = args.text('claims');
  const entries = files.flatMap((file) => verifiedEntries(file, policy)).flatMap(ledgerEntry);
  const inputs = [...entriesAbout(parcel, entries), ...(claims === undefined ? [] : claimsIn(claims, parcel))];
  const ledger = foldLedger(parcel, inputs, Date.now());
  if (args.flag('json')) io.out(JSON.stringify(ledger));
  else show(ledger, io);
  return 0;
};

function ledgerEntry({ origin, n, leaf, level }: VerifiedEntry): readonly LedgerEntry[] {
  const named = parseOrigin(origin);
  if (!named.ok) return [];
  const event = JSON.parse(utf8Text(leaf) ?? '') as CustodyEvent;
  const { gateway, number: log } = named.value;
  return [{ kind: 'entry', ref: `${origin}#${n}`, gateway, log, n, event, level }];
}

function claimsIn(file: string, parcel: string): readonly Claim[] {
  return readJson(file, claimRowsSchema)
    .filter((row) => row.parcel === parcel)
    .map(claimOf);
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
