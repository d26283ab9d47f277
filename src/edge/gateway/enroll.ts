/**
 * `latchkey enroll`: this box before the enrolment service, while no gateway runs. It makes what a first start would make
 * (keys in the TPM, a log), has the open log's key enrolled, and says so in the log.
 */
import { LatchkeyError } from '../../base/errors.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { isAttestedStatement } from '../../evidence/wire/attested-successor.ts';
import { type Envelope, envelopeBytes } from '../../evidence/wire/envelope.ts';
import type { HttpService } from '../../platform/http/client.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { Observer } from '../contracts/observed.ts';
import type { Journal } from '../journal/journal.ts';
import { type Enrolled, enrol } from '../keys/enrol.ts';
import { isSameVkey } from '../keys/enrolment-proof.ts';
import { EnrolmentClient } from '../keys/enrolment-service.ts';
import { TpmKeyStore } from '../keys/tpm-key-store.ts';
import type { GatewayKeys } from './gateway-keys.ts';
import { inOpenedJournal, type OfflineParts } from './journal-acts.ts';
import { keysDirectory, storedEnrolment, tellEnrolled } from './own-enrolment.ts';
import { oldAndNext } from './successor-duty.ts';
import { showTpm } from './tpm-acts.ts';

const FLUSH_LIMIT_MS = 30_000;

export interface EnrollParts extends OfflineParts {
  readonly service: HttpService;
  readonly vkey: Vkey;
  readonly token: () => string;
}

/**
 * A log that the AK has named as successor needs no new record: the service is told. Rejects with JOURNAL_BUSY while a gateway runs,
 * and like `enrol`.
 */
export async function enrollOffline(parts: EnrollParts): Promise<Enrolled> {
  const { settings, logger, signal } = parts;
  const act = async (journal: Journal, opened: { readonly keys: GatewayKeys; readonly observer: Observer }) => {
    const { keys, observer } = opened;
    const { vkey } = journal.log();
    const { store, tpm } = keys;
    const told = await tellSuccessors(parts, journal);
    if (told !== undefined) return told;
    const sealing = store instanceof TpmKeyStore && tpm !== undefined ? { box: tpm.box, store } : undefined;
    const enrolled = await enrol({
      directory: keysDirectory(settings),
      log: { gateway: settings.gateway.id, vkey, signer: await store.open(vkey.name) },
      tpm: sealing,
      service: parts.service,
      vkey: parts.vkey,
      token: parts.token,
      crypto: nodeCrypto,
      logger,
      signal,
    });
    if (enrolled.state === 'enrolled') {
      tellEnrolled(journal, observer, enrolled.stored);
      await journal.appender.flush(AbortSignal.timeout(FLUSH_LIMIT_MS));
    }
    return enrolled;
  };
  try {
    return await inOpenedJournal(parts, act, { mayBeNew: true });
  } catch (error) {
    throw await explained(parts, error);
  }
}

/** A TPM that is not this box's fails in whatever command comes first: then that is said, and what differs. */
async function explained({ settings, signal }: EnrollParts, error: unknown): Promise<unknown> {
  const isOfTpm = error instanceof LatchkeyError && (error.code === 'KEY_LOCKED' || error.code.startsWith('TPM_'));
  if (!isOfTpm || settings.keys === 'software') return error;
  const shown = await showTpm(settings, signal).catch(() => undefined);
  if (shown?.pinned === undefined || shown.pinned.agrees) return error;
  const differing = shown.pinned.names.filter(({ pinned, found }) => pinned !== found).map(({ name }) => name);
  const expected = `expected the TPM that this box has pinned in keys/tpm.json at ${shown.target}`;
  const message = `${expected}; found another one, or one that was cleared (${differing.join(', ')} differ)`;
  return new LatchkeyError('TPM_MISSING', message, { cause: error });
}

/** Undefined when the enrolled AK has not (yet) named each log from the enrolled one to the open one. */
async function tellSuccessors(parts: EnrollParts, journal: Journal): Promise<Enrolled | undefined> {
  const stored = storedEnrolment(parts.settings);
  const open = journal.log().origin;
  if (stored === undefined || stored.record.log.name === open || !isSameVkey(stored.vkey, parts.vkey)) return undefined;
  const statements = successorsBetween(journal.statements(), stored.record.log.name, open);
  if (statements === undefined) return undefined;
  const client = new EnrolmentClient(parts.service);
  for (const statement of statements) {
    if (await client.successor(envelopeBytes(statement), parts.signal)) continue;
    const message = 'another log is stated to follow the same one: a person at the service must choose';
    throw new LatchkeyError('ENROLMENT_REFUSED', message);
  }
  return { state: 'enrolled', isNew: false, stored, told: statements.length };
}

/** One statement by the AK for each step, and what the old log keys signed; undefined when a step lacks the AK's. */
function successorsBetween(all: readonly Envelope[], from: string, to: string): readonly Envelope[] | undefined {
  const found: Envelope[] = [];
  const passed = new Set<string>();
  for (let old = from; old !== to; ) {
    if (passed.has(old)) return undefined;
    passed.add(old);
    const own = all.filter((each) => oldAndNext(each)?.old === old);
    const attested = own.find(isAttestedStatement);
    const next = attested && oldAndNext(attested)?.next;
    if (next === undefined) return undefined;
    found.push(...own.filter((each) => oldAndNext(each)?.next === next));
    old = next;
  }
  return found;
}
