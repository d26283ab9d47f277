/** `latchkey epcis`: verified custody events as an EPCIS 2.0 document for trading partners. Loads no native code. */
import { wallText } from '../../base/clock.ts';
import { checkLeaf } from '../../evidence/batch/check-leaf.ts';
import { type EpcisEntry, epcisDocument, hasCounterpart } from '../../evidence/interchange/epcis.ts';
import { leafHash } from '../../evidence/log/tree.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { CommandRun } from '../command.ts';
import { policyIn, type VerifiedEntry, verifiedEntries } from '../verified-entries.ts';

export const epcisCommand: CommandRun = async (args, io) => {
  const policy = policyIn(args.required('policy'));
  const read = args.positionals.flatMap((file) => verifiedEntries(file, policy));
  const usable = read.flatMap(usableOf);
  const mapped = usable.filter(({ event }) => hasCounterpart(event));
  io.out(JSON.stringify(epcisDocument(mapped, wallText(Date.now()))));
  const left = new Map<string, number>();
  for (const { event } of usable.filter(({ event: each }) => !hasCounterpart(each))) {
    left.set(event.type, (left.get(event.type) ?? 0) + 1);
  }
  const types = [...left].map(([type, count]) => `${type} (${count})`).join(', ');
  io.err(`${mapped.length} of ${read.length} entries are in the document; no counterpart in EPCIS: ${types || 'none'}`);
  if (usable.length < read.length) io.err(`${read.length - usable.length} are of unknown kind or withheld`);
  return 0;
};

/** What may not be used is passed on to nobody. */
function usableOf({ origin, n, leaf, level }: VerifiedEntry): readonly EpcisEntry[] {
  const checked = checkLeaf(origin, n, leaf);
  if (!checked.ok || checked.value.use.use !== 'accepted' || checked.value.event === undefined) return [];
  return [{ event: checked.value.event, leafHash: leafHash(nodeCrypto, leaf), level }];
}
