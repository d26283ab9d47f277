/** `latchkey journal erase`: reduces a person's entries to their leaf hashes, after showing which they are. */
import { ERRORS } from '../../base/errors.ts';
import { eraseSelection } from '../../edge/gateway/erase-selection.ts';
import { eraseOffline } from '../../edge/gateway/journal-acts.ts';
import type { EraseReport } from '../../edge/journal/erase.ts';
import type { CommandRun } from '../command.ts';
import { askGateway, gatewaySettings, whenNoGateway } from '../locate.ts';
import { peopleLogger } from '../people-logger.ts';
import { packageVersion } from '../version.ts';

const SELECTORS = ['log', 'entries', 'parcel', 'scheme', 'actor', 'kind', 'ref'] as const;

export const journalEraseCommand: CommandRun = async (args, io) => {
  // Whatever this process writes is for its user alone, as the daemon writes it.
  process.umask(0o077);
  const settings = gatewaySettings(args);
  const execute = args.flag('yes');
  const given = SELECTORS.flatMap((name) => {
    const value = args.text(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const selectors = Object.fromEntries(given);
  // Said before anybody is asked, so that a slip reads the same with and without a running gateway.
  const selection = eraseSelection(selectors, settings.references);
  const ask = askGateway(settings, io, { verb: 'erase', args: { ...selectors, execute } }) as Promise<EraseReport>;
  const parts = { settings, version: packageVersion(), logger: peopleLogger(io), signal: io.signal };
  const report = await whenNoGateway(ask, () => eraseOffline(parts, selection, execute));
  if (args.flag('json')) io.out(JSON.stringify(report));
  else for (const line of describeErasure(report)) io.out(line);
  return report.outcome === 'refused' ? ERRORS.TIMED_OUT.exitCode : 0;
};

export function describeErasure(report: EraseReport): readonly string[] {
  const { outcome, logs, unsearched, isHeldByCustody } = report;
  const lines = logs.flatMap((log) => describeLog(outcome, log));
  if (logs.every(({ found }) => found === 0)) lines.push('no entry that still has a body matches');
  else if (outcome === 'found') lines.push('nothing was changed; say --yes to erase what is receipted');
  else if (outcome === 'refused') lines.push('nothing was erased: try again when the consumer has receipted them');
  else lines.push('the log says that entries were erased, without saying what they held');
  if (isHeldByCustody) lines.push('custody still holds it: the parcel lies in a compartment until it is collected');
  if (unsearched.length > 0)
    lines.push(`not searched, since they cannot be read or lie aside: ${unsearched.join(', ')}`);
  return lines;
}

function describeLog(outcome: EraseReport['outcome'], log: EraseReport['logs'][number]): readonly string[] {
  const { origin, found, erased, indices, firstWaiting, isSetAside, own } = log;
  const more = found > indices.length ? `, and ${found - indices.length} more` : '';
  const which = `${indices.join(', ')}${more}`;
  const lines: string[] = [];
  if (found > 0 && isSetAside)
    lines.push(`${origin}: ${found} in a file that was set aside and stays as it is: ${which}`);
  else if (found > 0 && outcome === 'erased')
    lines.push(`${origin}: ${erased} entries reduced to their hashes: ${which}`);
  else if (found > 0) lines.push(`${origin}: ${found} entries: ${which}`);
  if (firstWaiting !== undefined && !isSetAside) {
    lines.push(`${origin}: entry ${firstWaiting} is not receipted yet, and would be lost to the consumer`);
  }
  if (own.length > 0) lines.push(`${origin}: kept, since the log says them of itself: ${own.join(', ')}`);
  return lines;
}
