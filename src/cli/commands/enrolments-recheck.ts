/** `latchkey enrolments recheck`: enrolled boxes whose certificate a vendor, or the deny list, took back since. */
import { LatchkeyError } from '../../base/errors.ts';
import { proposedCommand, recheck } from '../../risk/enrolment/recheck.ts';
import { loadTrust } from '../../risk/enrolment/trust-files.ts';
import type { CommandRun } from '../command.ts';
import { enrolmentSettings, enrolmentStore } from '../enrolments.ts';
import { jsonLine } from '../json-line.ts';

/** As of `verify`: something is not as it was believed. */
const FOUND = 1;

export const enrolmentsRecheckCommand: CommandRun = async (args, io) => {
  const settings = enrolmentSettings(args);
  const { proposals, unread } = await recheck(await enrolmentStore(settings), await loadTrust(settings));
  if (args.flag('json')) io.out(jsonLine({ v: 1, proposals, unread }));
  for (const proposal of args.flag('json') ? [] : proposals) {
    io.out(`${proposal.gateway}  ${proposal.log}  ${proposal.reason}`);
    io.out(`  ${proposedCommand(proposal)}`);
  }
  if (unread.length > 0) {
    const lines = unread.map(({ gateway, reason }) => `\n  ${gateway}: ${reason}`).join('');
    throw new LatchkeyError(
      'STORE_IO',
      `some histories could not be read, so nothing is known of their boxes:${lines}`,
    );
  }
  if (proposals.length === 0) io.err('no enrolled box stands on a certificate that was taken back');
  else io.err('size and root are yours: --size N --root BASE64 keeps what the box signed below N');
  return proposals.length === 0 ? 0 : FOUND;
};
