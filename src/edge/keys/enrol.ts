/**
 * The enrolment of this box, from token to record, safe against a crash at any step:
 *
 * 1. request and challenge; 2. authorisations for owner and lockout made, sealed in the TPM, and with the challenge's id
 * stored; 3. the answer, with the authorisations sealed to the service's escrow key; 4. the record, checked and stored;
 * 5. the authorisations set in the TPM, and forgotten here.
 *
 * A run that finds step 2 done asks what became of the answer. Only when it never arrived a token is needed again.
 */
import { join } from 'node:path';
import { base64, hex } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { type EnrolmentRecord, verifyEnrolmentRecord } from '../../evidence/wire/enrolment.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import type { HttpService } from '../../platform/http/client.ts';
import { seal, sealedBoxKey } from '../../platform/sealed-box.ts';
import { TPM_ALG } from '../../tpm2/algorithms.ts';
import { nameOf } from '../../tpm2/public.ts';
import { getPermanent } from '../tpm/commands/capability.ts';
import {
  type Authorisations,
  authorisationBytes,
  authorisationsOf,
  escrowText,
  keptOf,
  newAuthorisations,
  setAuthorisations,
  wipeAuthorisations,
} from './authorisations.ts';
import {
  ENROLLING_FILE,
  ENROLMENT_FILE,
  type Enrolling,
  readEnrolling,
  readEnrolment,
  removeEnrolling,
  type StoredEnrolment,
  writeEnrolling,
  writeEnrolment,
} from './enrolment-file.ts';
import {
  answerBody,
  checkRecord,
  type EnrollingLog,
  type EnrollingTpm,
  gatherEvidence,
  isSameVkey,
  requestBody,
} from './enrolment-proof.ts';
import { EnrolmentClient, type ServiceChallenge, type ServiceOutcome } from './enrolment-service.ts';
import type { SealedBlob } from './sealed-file.ts';

export interface EnrolParts {
  /** `<data_dir>/keys`. */
  readonly directory: string;
  readonly log: EnrollingLog;
  /** Undefined for software keys: possession is then all that is proved. */
  readonly tpm: EnrollingTpm | undefined;
  readonly service: HttpService;
  /** Of the service: records of another are not believed. */
  readonly vkey: Vkey;
  /** Asked for when it is needed. */
  readonly token: () => string;
  readonly crypto: EvidenceCrypto;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export type Enrolled =
  /** `isNew`: of this run. `told`: successor statements that the service took instead of a new record. */
  | { readonly state: 'enrolled'; readonly isNew: boolean; readonly stored: StoredEnrolment; readonly told?: number }
  /** A person must look at it; run it again later, without a token. */
  | { readonly state: 'pending'; readonly id: string };

/** Rejects with ENROLMENT_REFUSED, SERVICE_UNREACHABLE, TIMED_OUT, the TPM's codes, and like a key store. */
export async function enrol(parts: EnrolParts): Promise<Enrolled> {
  const { directory, crypto } = parts;
  const [kept, underWay] = [join(directory, ENROLMENT_FILE), join(directory, ENROLLING_FILE)];
  const begun = readEnrolling(crypto, underWay);
  if (begun !== undefined) {
    mustBeSameService(parts, begun);
    const client = new EnrolmentClient({ ...parts.service, url: begun.url });
    const outcome = await client.outcome(parts.log.gateway, begun.id, parts.signal);
    if (outcome.state !== 'unknown') return finish(parts, begun, outcome);
    await removeEnrolling(underWay);
  }
  const stored = readEnrolment(crypto, kept);
  if (stored !== undefined && stored.record.log.name === parts.log.vkey.name) {
    return { state: 'enrolled', isNew: false, stored };
  }
  return exchange(parts);
}

async function exchange(parts: EnrolParts): Promise<Enrolled> {
  const { log, crypto, signal, service, vkey, directory } = parts;
  const client = new EnrolmentClient(service);
  const evidence = parts.tpm && (await gatherEvidence(parts.tpm, log.vkey.name, signal));
  const tpm = parts.tpm && evidence && { parts: parts.tpm, evidence };
  const challenge = await client.begin(parts.token(), await requestBody(log, tpm), signal);
  const body = await answerBody(crypto, log, challenge, tpm, signal);
  const escrow = await escrowOf(parts, challenge);
  const begun: Enrolling = {
    url: service.url,
    vkey,
    log: log.vkey.name,
    id: challenge.id,
    ...(escrow !== undefined && { authorisations: escrow.blob }),
  };
  // Before the answer leaves: whatever happens from here on, the next run can find out and go on.
  await writeEnrolling(join(directory, ENROLLING_FILE), begun);
  const sealed = escrow === undefined ? {} : { escrow: base64(escrow.box) };
  const outcome = await client
    .answer(log.gateway, challenge.id, { ...body, ...sealed }, signal)
    .catch(async (error: unknown) => {
      // The service said no: nothing of this exchange counts.
      const isRefused = error instanceof LatchkeyError && error.code === 'ENROLMENT_REFUSED';
      if (isRefused) await removeEnrolling(join(directory, ENROLLING_FILE));
      throw error;
    });
  return finish(parts, begun, outcome);
}

/** New authorisations: sealed in the TPM for us, and for the service's offline key. */
async function escrowOf(
  { tpm, log, signal }: EnrolParts,
  { escrowKey }: ServiceChallenge,
): Promise<{ readonly blob: SealedBlob; readonly box: Uint8Array } | undefined> {
  if (tpm === undefined || escrowKey === undefined) return undefined;
  const recipient = sealedBoxKey(escrowKey);
  if (recipient === undefined) {
    throw new LatchkeyError('ENROLMENT_REFUSED', 'expected an X25519 escrow key of the service; found another');
  }
  const kept = keptOf(await tpm.box.run((unit) => getPermanent(unit), signal));
  const authorisations = newAuthorisations();
  const bytes = authorisationBytes(authorisations);
  const text = escrowText(log.gateway, authorisations, kept);
  try {
    return { blob: await tpm.store.sealAside(bytes), box: seal(recipient, `escrow\n${log.gateway}`, text) };
  } finally {
    text.fill(0);
    bytes.wipe();
    wipeAuthorisations(authorisations);
  }
}

async function finish(parts: EnrolParts, begun: Enrolling, outcome: ServiceOutcome): Promise<Enrolled> {
  const { directory, log, crypto } = parts;
  const [kept, underWay] = [join(directory, ENROLMENT_FILE), join(directory, ENROLLING_FILE)];
  if (outcome.state === 'refused' || outcome.state === 'unknown') {
    await removeEnrolling(underWay);
    const message = `the enrolment of ${log.gateway} was declined by a person; ask whoever runs the service why`;
    throw new LatchkeyError('ENROLMENT_REFUSED', message);
  }
  if (outcome.state === 'pending') {
    // The service holds the escrow, also while a person looks at the rest.
    await applyAuthorisations(parts, begun);
    const { authorisations: _set, ...rest } = begun;
    await writeEnrolling(underWay, rest);
    return { state: 'pending', id: begun.id };
  }
  await checked(parts, begun, outcome.record);
  await writeEnrolment(kept, begun.vkey, outcome.record);
  await applyAuthorisations(parts, begun);
  await removeEnrolling(underWay);
  const stored = readEnrolment(crypto, kept);
  if (stored === undefined) throw new LatchkeyError('KEY_LOCKED', `${kept} was removed under this process`);
  return { state: 'enrolled', isNew: true, stored };
}

async function checked(parts: EnrolParts, begun: Enrolling, envelope: Envelope): Promise<EnrolmentRecord> {
  const { tpm, crypto, log, signal } = parts;
  const verified = verifyEnrolmentRecord(crypto, envelope, begun.vkey);
  if (!verified.ok) throw refusedRecord(verified.reason, verified.detail);
  const area = tpm?.store.sealed(begun.log).publicArea;
  const sealed = await (area && tpm.box.run(async (unit) => hex(nameOf(unit.crypto, TPM_ALG.SHA256, area)), signal));
  const own = { gateway: log.gateway, log: begun.log, id: begun.id, box: tpm?.box, sealed };
  const fits = checkRecord(verified.value, own);
  if (!fits.ok) throw refusedRecord(fits.reason, fits.detail);
  return fits.value;
}

async function applyAuthorisations({ tpm, logger, signal }: EnrolParts, begun: Enrolling): Promise<void> {
  if (tpm === undefined || begun.authorisations === undefined) return;
  const bytes = await tpm.store.unsealAside(begun.authorisations);
  let authorisations: Authorisations | undefined;
  try {
    authorisations = authorisationsOf(bytes.reveal());
    const set = authorisations;
    const { disableClear } = await tpm.box.run((unit) => setAuthorisations(unit, set), signal);
    if (!disableClear) {
      logger.warn({}, 'the lockout of this TPM was set by somebody else: Clear stays allowed to whoever knows it');
    }
  } finally {
    bytes.wipe();
    if (authorisations !== undefined) wipeAuthorisations(authorisations);
  }
}

function mustBeSameService({ vkey, service }: EnrolParts, begun: Enrolling): void {
  if (isSameVkey(vkey, begun.vkey) && service.url === begun.url) return;
  const message = `an enrolment with ${begun.url} is under way; finish it there, or remove keys/${ENROLLING_FILE} to give it up`;
  throw new LatchkeyError('ENROLMENT_REFUSED', message);
}

function refusedRecord(reason: string, detail: string): LatchkeyError {
  const advice = 'check --service-key against what "latchkey enrolments serve --show-key" prints there';
  return new LatchkeyError(
    'ENROLMENT_REFUSED',
    `expected the record of this box, signed by the named service; found (${reason}): ${detail}; ${advice}`,
  );
}
