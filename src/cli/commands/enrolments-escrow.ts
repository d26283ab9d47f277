/** `latchkey enrolments escrow`: opens the authorisations that a box handed over, with the key that is kept offline. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { unbase64 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { openSealed } from '../../platform/sealed-box.ts';
import { readSettingsText } from '../../platform/settings.ts';
import { readGateway } from '../../risk/enrolment/gateway-book.ts';
import { escrowContext } from '../../risk/enrolment/messages.ts';
import type { CommandRun } from '../command.ts';
import { enrolmentSettings, enrolmentStore, gatewayOf } from '../enrolments.ts';

export const enrolmentsEscrowCommand: CommandRun = async (args, io) => {
  const gateway = gatewayOf(args.positionals[0]);
  const key = keyOf(args.required('key'));
  const { escrows } = await readGateway(await enrolmentStore(enrolmentSettings(args)), gateway);
  const newest = escrows.at(-1);
  if (newest === undefined) throw new LatchkeyError('USAGE', `${gateway} handed nothing over`);
  const box = unbase64(newest.escrow) ?? new Uint8Array(0);
  const bytes = openSealed(key, escrowContext(gateway), box);
  if (bytes === undefined) {
    throw new LatchkeyError('INPUT_UNREADABLE', `what ${gateway} handed over was not sealed to this key`);
  }
  await io.write(bytes);
  return 0;
};

function keyOf(path: string): KeyObject {
  const text = readSettingsText(path);
  if (!text.ok) throw new LatchkeyError('INPUT_UNREADABLE', text.detail);
  try {
    return createPrivateKey(text.value);
  } catch {
    throw new LatchkeyError('INPUT_UNREADABLE', `${path}: expected a private X25519 key in PEM`);
  }
}
