/** A reply to a command, signed with the key of the log that is open. */
import { LatchkeyError } from '../../base/errors.ts';
import { REPLY_TYPE } from '../../evidence/wire/command.ts';
import type { SignedReply } from '../contracts/signer.ts';
import type { HeldLog } from './held-log.ts';
import type { LogSet } from './log-set.ts';

/** Rejects with KEY_LOCKED or KEY_LOST. */
export async function signReply(
  log: HeldLog,
  set: Pick<LogSet, 'openKey'>,
  make: (log: string) => Uint8Array,
): Promise<SignedReply> {
  await set.openKey(log);
  const { signer, vkey } = log;
  if (signer === undefined) throw new LatchkeyError('KEY_LOCKED', `the key of ${log.name} is not here`);
  const payload = make(log.origin);
  return { payload, keyId: vkey.keyId, signature: await signer.signEnvelope(REPLY_TYPE, payload) };
}
