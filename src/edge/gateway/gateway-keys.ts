/** The keys of a gateway, as its settings say: in files, or in a TPM. */
import { join } from 'node:path';
import { withTimeout } from '../../base/abort.ts';
import type { Scheduler } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../platform/tpm-crypto.ts';
import type { KeyStore } from '../contracts/signer.ts';
import { localAuthority, readPolicyFile } from '../keys/policy-authority.ts';
import { provisionTpm } from '../keys/provision-tpm.ts';
import { SoftwareKeyStore } from '../keys/software-key-store.ts';
import { TpmBox } from '../keys/tpm-box.ts';
import { readIdentity } from '../keys/tpm-identity.ts';
import { TpmKeyStore } from '../keys/tpm-key-store.ts';
import { TpmClient } from '../tpm/client.ts';
import { openTransport } from '../tpm/open-transport.ts';
import { type TpmSettings, tpmAddress } from './key-settings.ts';
import type { GatewaySettings } from './settings.ts';

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
}

export interface GatewayKeys {
  readonly store: KeyStore;
  readonly tpm: GatewayTpm | undefined;
  /** For the journal: undefined while the TPM is away. */
  readonly readCounter: (() => Promise<number | undefined>) | undefined;
  close(): Promise<void>;
}

export interface KeyParts {
  readonly settings: GatewaySettings;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A TPM that is away is no reason to reject, but at the first start, when this box has nothing in it yet. Rejects with
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
  return { store, tpm: undefined, readCounter: undefined, close: () => Promise.resolve() };
}

async function openTpmKeys(parts: KeyParts, settings: TpmSettings, directory: string): Promise<GatewayKeys> {
  const { scheduler, signal } = parts;
  const logger = parts.logger.child({ room: 'tpm' });
  const authority =
    settings.policy === undefined
      ? await localAuthority(directory, nodeTpmCrypto)
      : readPolicyFile(settings.policy, nodeTpmCrypto);
  const transport = openTransport(tpmAddress(settings), scheduler);
  const client = new TpmClient({ transport, crypto: nodeTpmCrypto, scheduler, logger });
  const close = (): Promise<void> =>
    withTimeout(scheduler, CLOSE_LIMIT_MS, 'the last command of the TPM', client.close()).catch((error: unknown) => {
      logger.warn({ reason: explain(error) }, 'the TPM was left in the middle of a command');
    });
  try {
    const path = join(directory, 'tpm.json');
    const limit = AbortSignal.timeout(PROVISION_LIMIT_MS);
    const stop = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    // What this box has in its TPM is known without asking it.
    const identity = readIdentity(path, nodeTpmCrypto) ?? (await provisionTpm(client, path, stop));
    const box = new TpmBox(client, identity, nodeCrypto);
    const store = await TpmKeyStore.open({ directory, box, authority, crypto: nodeCrypto });
    if (authority.isLocal) {
      logger.warn({}, 'no policy of PCRs: log keys are bound to this TPM, and to no software in particular');
    }
    const policy = authority.isLocal ? 'local' : 'operator';
    const readCounter = async (): Promise<number | undefined> => {
      try {
        return await box.readCounter(AbortSignal.timeout(COUNTER_LIMIT_MS));
      } catch (error) {
        logger.warn({ reason: explain(error) }, 'the anchor counter cannot be read now');
        return undefined;
      }
    };
    return { store, tpm: { box, settings, target: client.target, policy }, readCounter, close };
  } catch (error) {
    await close();
    throw error;
  }
}
