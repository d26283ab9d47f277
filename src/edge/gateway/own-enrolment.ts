/** What this box was enrolled as: for its journal, which passes the record on, and for its log, which tells of it. */
import { join } from 'node:path';
import { base64, hex } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { attestedSuccessor, successorDigest } from '../../evidence/wire/attested-successor.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { Observer } from '../contracts/observed.ts';
import type { OwnEnrolment } from '../contracts/own-enrolment.ts';
import type { Journal } from '../journal/journal.ts';
import { ENROLMENT_FILE, readEnrolment, type StoredEnrolment } from '../keys/enrolment-file.ts';
import type { TpmBox } from '../keys/tpm-box.ts';
import type { GatewayKeys } from './gateway-keys.ts';
import type { GatewaySettings } from './settings.ts';
import { SuccessorDuty } from './successor-duty.ts';

/** Under this name the journal remembers which record it has told of. */
const TOLD_STATE = 'enrolled';
/** While the journal waits for a statement it rotates no log. */
const ATTEST_LIMIT_MS = 3_000;

/** Undefined when this box never was enrolled. Throws KEY_LOCKED when the file cannot be used. */
export function storedEnrolment(settings: GatewaySettings): StoredEnrolment | undefined {
  return readEnrolment(nodeCrypto, join(keysDirectory(settings), ENROLMENT_FILE));
}

export function keysDirectory(settings: GatewaySettings): string {
  return join(settings.gateway.data_dir, 'keys');
}

/** For the journal. A file that cannot be used is said and stops nothing: entries go out, at a lower level. */
export function ownEnrolment(settings: GatewaySettings, keys: GatewayKeys, logger: Logger): OwnEnrolment | undefined {
  let stored: StoredEnrolment | undefined;
  try {
    stored = storedEnrolment(settings);
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    logger.error({ reason: explain(error) }, 'the enrolment of this box cannot be used');
  }
  if (stored === undefined) return undefined;
  const { envelope: record, vkey: service } = stored;
  const box = keys.tpm?.box;
  const { tpm } = stored.record;
  const isOwn = box?.known !== undefined && tpm?.ak === base64(box.akSpki);
  const attesting = isOwn
    ? { ak: box.akSpki, attest: (payload: Uint8Array) => attest(box, tpm.srk, payload) }
    : undefined;
  return { record, service, issued: stored.record.issued, ...(attesting && { attesting }) };
}

/** The AK outlives a clear of the TPM, and the word that was given for it does not: the box must be enrolled again. */
async function attest(box: TpmBox, srk: string, payload: Uint8Array): Promise<Envelope> {
  try {
    await box.ready(AbortSignal.timeout(ATTEST_LIMIT_MS));
    if (hex(box.identity.srk.name) !== srk) {
      throw new LatchkeyError('TPM_MISSING', 'expected the TPM as it was enrolled; found one that was cleared since');
    }
    const quote = await box.quote(successorDigest(nodeCrypto, payload), AbortSignal.timeout(ATTEST_LIMIT_MS));
    return attestedSuccessor(nodeCrypto, payload, box.akSpki, quote);
  } catch (error) {
    if (error instanceof LatchkeyError) throw error;
    const found = `found none in ${ATTEST_LIMIT_MS} ms`;
    throw new LatchkeyError('TPM_UNAVAILABLE', `expected a quote of the TPM; ${found}`, { cause: error });
  }
}

/** `key.enrolled`, unless the journal has told of this record. A crash between the two makes a twin, which says the same. */
export function tellEnrolled(journal: Journal, observer: Observer, { hash, record }: StoredEnrolment): void {
  if (journal.loadState(TOLD_STATE) === hash) return;
  const data = { record: hash, kind: record.tpm === undefined ? 'software' : 'tpm' };
  journal.appender.append({ observed: observer.observe(), body: { type: 'key.enrolled', data }, urgent: true });
  journal.saveState(TOLD_STATE, hash);
}

/** The same at a start of the gateway; a file that cannot be used was named when the journal opened. */
export function tellOwnEnrolment(settings: GatewaySettings, journal: Journal, observer: Observer): void {
  try {
    const stored = storedEnrolment(settings);
    if (stored !== undefined) tellEnrolled(journal, observer, stored);
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
  }
}

/** Undefined when this box never was enrolled, when its record cannot be used, and when no service is named. */
export function successorDuty(
  parts: { readonly settings: GatewaySettings; readonly scheduler: Scheduler; readonly logger: Logger },
  journal: Journal,
): SuccessorDuty | undefined {
  const { settings, scheduler } = parts;
  if (settings.enrolment === undefined) return undefined;
  const logger = parts.logger.child({ room: 'enrolment' });
  try {
    const stored = storedEnrolment(settings);
    if (stored !== undefined)
      return new SuccessorDuty({ settings: settings.enrolment, stored, journal, scheduler, logger });
    logger.info({}, 'this box was not enrolled: the enrolment service is told nothing');
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
  }
  return undefined;
}
