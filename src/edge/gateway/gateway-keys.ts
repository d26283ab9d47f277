/** The keys of a gateway, as its settings say: in files, or in a TPM. */
import { join } from 'node:path';
import { orAborted, withTimeout } from '../../base/abort.ts';
import { hex } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { explain, LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../platform/tpm-crypto.ts';
import type { KeyStore } from '../contracts/signer.ts';
import { openTpmBox } from '../keys/open-box.ts';
import { Patience } from '../keys/patience.ts';
import { localAuthority, readPolicyFile } from '../keys/policy-authority.ts';
import { SoftwareKeyStore } from '../keys/software-key-store.ts';
import type { TpmBox } from '../keys/tpm-box.ts';
import { timesCleared } from '../keys/tpm-clear.ts';
import { TpmKeyStore } from '../keys/tpm-key-store.ts';
import { TpmClient } from '../tpm/client.ts';
import { openTransport } from '../tpm/open-transport.ts';
import { type TpmSettings, tpmAddress } from './key-settings.ts';
import { storedEnrolment } from './own-enrolment.ts';
import type { GatewaySettings } from './settings.ts';

/**
 * All that a start of the daemon waits for its TPM, whatever it asks it: then devices are read. What the TPM has not said
 * by then it says later, and the log tells of it later.
 */
const START_WAIT_MS = 1_000;
/** A first start makes primary keys, which a slow chip does in half a minute each. */
const PROVISION_LIMIT_MS = 180_000;
const COUNTER_LIMIT_MS = 5_000;
const CLOSE_LIMIT_MS = 5_000;

export interface GatewayTpm {
  readonly box: TpmBox;
  readonly settings: TpmSettings;
  /** Where the TPM is, for a person. */
  readonly target: string;
  /** `local`: log keys are bound to this TPM and to no software. */
  readonly policy: 'local' | 'operator';
  /** What is left of the time that this start waits for the TPM. */
  readonly patience?: Patience;
  /** How often this box's TPM was cleared, and whether its enrolment is of before. */
  readonly cleared?: () => { readonly times: number; readonly enrolAgain: boolean };
}

export interface GatewayKeys {
  readonly store: KeyStore;
  readonly tpm: GatewayTpm | undefined;
  /** For the journal: undefined while the TPM is away. */
  readonly readCounter: (() => Promise<number | undefined>) | undefined;
  /** The start is over: from now on the TPM is waited for as long as it may take. */
  started(): void;
  /** The gateway stops: a TPM that hangs is not waited for. Keys that are open go on signing. */
  giveUp(): void;
  close(): Promise<void>;
}

export interface KeyParts {
  readonly settings: GatewaySettings;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly signal?: AbortSignal | undefined;
  /** Of the daemon, whose devices are not to wait for a TPM; a command waits, and rejects when it is away. */
  readonly isHasty?: boolean;
}

/**
 * A TPM that is away is no reason to reject; of a command it is when this box has nothing in it yet. Rejects with
 * KEY_PERMISSIONS, KEY_LOCKED, CONFIG_INVALID, CONFIG_UNREADABLE, and at a first start like `provisionTpm`.
 */
export async function openKeys(parts: KeyParts): Promise<GatewayKeys> {
  const { settings, logger } = parts;
  const directory = join(settings.gateway.data_dir, 'keys');
  await makeDirectory(directory);
  if (settings.keys !== 'software') return openTpmKeys(parts, settings.keys.tpm, directory);
  logger.warn(
    { assurance: 'A0' },
    'software keys: assurance level A0; whoever can read this disk as this user can sign as this gateway',
  );
  const store = await SoftwareKeyStore.open(directory, nodeCrypto);
  const nothing = (): void => undefined;
  return {
    store,
    tpm: undefined,
    readCounter: undefined,
    started: nothing,
    giveUp: nothing,
    close: async () => undefined,
  };
}

async function openTpmKeys(parts: KeyParts, settings: TpmSettings, directory: string): Promise<GatewayKeys> {
  const { scheduler } = parts;
  const logger = parts.logger.child({ room: 'tpm' });
  const authority =
    settings.policy === undefined
      ? await localAuthority(directory, nodeTpmCrypto)
      : readPolicyFile(settings.policy, nodeTpmCrypto);
  const transport = openTransport(tpmAddress(settings), scheduler);
  const client = new TpmClient({ transport, crypto: nodeTpmCrypto, scheduler, logger });
  const path = join(directory, 'tpm.json');
  let store: TpmKeyStore | undefined;
  const close = async (): Promise<void> => {
    store?.close();
    const closed = box?.close() ?? client.close();
    await withTimeout(scheduler, CLOSE_LIMIT_MS, 'the last command of the TPM', closed).catch((error: unknown) => {
      logger.warn({ reason: explain(error) }, 'the TPM was left in the middle of a command');
    });
  };
  let box: TpmBox | undefined;
  try {
    // What this box has in its TPM is known without asking it.
    const renewed = (): void => store?.forgetAll();
    const opened = openTpmBox({ client, path, crypto: nodeCrypto, tpmCrypto: nodeTpmCrypto, logger, renewed });
    box = opened;
    const patience = parts.isHasty === true ? new Patience(scheduler, START_WAIT_MS) : undefined;
    if (opened.known === undefined) await firstAnswer(parts, opened, patience);
    store = await TpmKeyStore.open({
      directory,
      box: opened,
      authority,
      crypto: nodeCrypto,
      scheduler,
      ...(patience && { patience }),
    });
    if (authority.isLocal) {
      logger.warn({}, 'no policy of PCRs: log keys are bound to this TPM, and to no software in particular');
    }
    const tpm: GatewayTpm = {
      box: opened,
      settings,
      target: client.target,
      policy: authority.isLocal ? 'local' : 'operator',
      cleared: () => clearedOf(parts.settings, opened, path),
      ...(patience && { patience }),
    };
    const readCounter = () => counterOf(opened, logger, patience);
    const giveUp = (): void => store?.close();
    return { store, tpm, readCounter, started: () => patience?.end(), giveUp, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** At the first start of this box. A daemon goes on without an answer: its log begins with a key that waits for the TPM. */
async function firstAnswer(parts: KeyParts, box: TpmBox, patience: Patience | undefined): Promise<void> {
  const { scheduler, signal } = parts;
  const what = 'the first answer of the TPM';
  const wait = (limitMs: number) => withTimeout(scheduler, limitMs, what, orAborted(signal, box.ready()));
  try {
    await (patience === undefined ? wait(PROVISION_LIMIT_MS) : patience.spend(PROVISION_LIMIT_MS, wait));
  } catch (error) {
    const isSilent =
      error instanceof LatchkeyError && ['TIMED_OUT', 'TPM_UNAVAILABLE', 'TPM_BUSY'].includes(error.code);
    if (!isSilent || patience === undefined) throw error;
    const reason = explain(error);
    parts.logger.error(
      { reason },
      'the TPM has never answered this box: entries are recorded, and signed when it does',
    );
  }
}

async function counterOf(box: TpmBox, logger: Logger, patience: Patience | undefined): Promise<number | undefined> {
  const read = (limitMs: number) => box.readCounter(AbortSignal.timeout(limitMs));
  try {
    return await (patience === undefined ? read(COUNTER_LIMIT_MS) : patience.spend(COUNTER_LIMIT_MS, read));
  } catch (error) {
    logger.warn({ reason: explain(error) }, 'the anchor counter cannot be read now');
    return undefined;
  }
}

function clearedOf(settings: GatewaySettings, box: TpmBox, path: string) {
  const times = timesCleared(path);
  if (times === 0) return { times, enrolAgain: false };
  const enrolled = storedEnrolment(settings)?.record.tpm;
  return { times, enrolAgain: enrolled !== undefined && enrolled.srk !== (box.known && hex(box.known.srk.name)) };
}
