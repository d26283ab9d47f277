/**
 * `latchkey enroll`: this box before the enrolment service, while no gateway runs. It makes what a first start would make
 * (keys in the TPM, a log), has the open log's key enrolled, and says so in the log.
 */
import { join } from 'node:path';
import type { Vkey } from '../../evidence/log/note.ts';
import type { HttpService } from '../../platform/http/client.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { Observer } from '../contracts/observed.ts';
import type { Journal } from '../journal/journal.ts';
import { type Enrolled, enrol } from '../keys/enrol.ts';
import { ENROLMENT_FILE, readEnrolment, type StoredEnrolment } from '../keys/enrolment-file.ts';
import { TpmKeyStore } from '../keys/tpm-key-store.ts';
import type { GatewayKeys } from './gateway-keys.ts';
import { inOpenedJournal, type OfflineParts } from './journal-acts.ts';
import type { GatewaySettings } from './settings.ts';

const FLUSH_LIMIT_MS = 30_000;
/** Under this name the journal remembers which record it has told of. */
const TOLD_STATE = 'enrolled';

export interface EnrollParts extends OfflineParts {
  readonly service: HttpService;
  readonly vkey: Vkey;
  readonly token: () => string;
}

/** Rejects with JOURNAL_BUSY while a gateway runs, and like `enrol`. */
export function enrollOffline(parts: EnrollParts): Promise<Enrolled> {
  const { settings, logger, signal } = parts;
  const act = async (journal: Journal, opened: { readonly keys: GatewayKeys; readonly observer: Observer }) => {
    const { keys, observer } = opened;
    const { vkey } = journal.log();
    const { store, tpm } = keys;
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
  return inOpenedJournal(parts, act, { mayBeNew: true });
}

/** What this box was enrolled as; undefined when it never was, or when the file cannot be used, which is said. */
export function storedEnrolment(settings: GatewaySettings): StoredEnrolment | undefined {
  return readEnrolment(nodeCrypto, join(keysDirectory(settings), ENROLMENT_FILE));
}

/** `key.enrolled`, unless the journal has told of this record. A crash between the two makes a twin, which says the same. */
export function tellEnrolled(journal: Journal, observer: Observer, { hash, record }: StoredEnrolment): void {
  if (journal.loadState(TOLD_STATE) === hash) return;
  const data = { record: hash, kind: record.tpm === undefined ? 'software' : 'tpm' };
  journal.appender.append({ observed: observer.observe(), body: { type: 'key.enrolled', data }, urgent: true });
  journal.saveState(TOLD_STATE, hash);
}

function keysDirectory(settings: GatewaySettings): string {
  return join(settings.gateway.data_dir, 'keys');
}
