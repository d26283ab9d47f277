/** Policy commands (TPM 2.0 Library, Part 3, section 23). tpm2/policy.ts computes the same digests in software. */
import { assert } from '../../../base/assert.ts';
import { type CommandName, TPM_CC } from '../../../tpm2/algorithms.ts';
import { type PcrSelection, writePcrSelections } from '../../../tpm2/pcr.ts';
import { handleName } from '../../../tpm2/public.ts';
import { type Ticket, writeTicket } from '../../../tpm2/ticket.ts';
import { TpmWriter } from '../../../tpm2/wire.ts';
import type { Entity } from '../entity.ts';
import type { TpmSession } from '../session.ts';
import type { Tpm } from '../unit.ts';

const NOTHING = new Uint8Array(0);

/** The selected PCRs as they are now; with `expectedDigest`, refused (VALUE) unless they have it. */
export async function PolicyPCR(
  tpm: Tpm,
  session: TpmSession,
  pcrs: readonly PcrSelection[],
  expectedDigest: Uint8Array = NOTHING,
): Promise<void> {
  const parameters = writePcrSelections(new TpmWriter().sized(expectedDigest), pcrs).bytes();
  await tpm.call({ command: 'PolicyPCR', handles: [entityOf(session)], parameters });
}

/** Knowledge of an authorisation value, for example of the endorsement hierarchy's, as the EK's policy asks. */
export async function PolicySecret(
  tpm: Tpm,
  authorised: Entity,
  session: TpmSession,
  policyRef: Uint8Array = NOTHING,
): Promise<void> {
  const writer = new TpmWriter().sized(session.nonceTpm).sized(NOTHING).sized(policyRef).u32(0);
  await tpm.call({
    command: 'PolicySecret',
    handles: [authorised, entityOf(session)],
    parameters: writer.bytes(),
  });
}

/** The session's digest is one of the branches. */
export async function PolicyOR(tpm: Tpm, session: TpmSession, branches: readonly Uint8Array[]): Promise<void> {
  assert(branches.length >= 2 && branches.length <= 8, 'PolicyOR takes two to eight branches');
  const writer = new TpmWriter().u32(branches.length);
  for (const branch of branches) writer.sized(branch);
  await tpm.call({ command: 'PolicyOR', handles: [entityOf(session)], parameters: writer.bytes() });
}

/** The session's digest is one that the key signed; `ticket` comes from VerifySignature over `authorizedDigest`. */
export async function PolicyAuthorize(
  tpm: Tpm,
  session: TpmSession,
  approved: {
    readonly policy: Uint8Array;
    readonly policyRef?: Uint8Array;
    readonly keyName: Uint8Array;
    readonly ticket: Ticket;
  },
): Promise<void> {
  const writer = new TpmWriter()
    .sized(approved.policy)
    .sized(approved.policyRef ?? NOTHING)
    .sized(approved.keyName);
  const parameters = writeTicket(writer, approved.ticket).bytes();
  await tpm.call({ command: 'PolicyAuthorize', handles: [entityOf(session)], parameters });
}

export async function PolicyCommandCode(tpm: Tpm, session: TpmSession, command: CommandName): Promise<void> {
  const parameters = new TpmWriter().u32(TPM_CC[command]).bytes();
  await tpm.call({ command: 'PolicyCommandCode', handles: [entityOf(session)], parameters });
}

/** The object's authorisation value joins the session's HMAC key. */
export async function PolicyAuthValue(tpm: Tpm, session: TpmSession): Promise<void> {
  await tpm.call({ command: 'PolicyAuthValue', handles: [entityOf(session)] });
  session.needAuthValue();
}

export async function PolicyGetDigest(tpm: Tpm, session: TpmSession): Promise<Uint8Array> {
  const answer = await tpm.call({ command: 'PolicyGetDigest', handles: [entityOf(session)] });
  return tpm.read('PolicyGetDigest', answer.parameters, (reader) => reader.sized(64));
}

function entityOf(session: TpmSession): Entity {
  assert(session.type !== 'hmac', 'a policy session is asked for');
  return { handle: session.handle, name: handleName(session.handle) };
}
