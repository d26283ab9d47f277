/** The TPM of a box as its folder knows it: made at the first answer, and made anew when the TPM was cleared. */
import type { Logger } from '../../base/logger.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { TpmCrypto } from '../../tpm2/crypto.ts';
import type { TpmClient } from '../tpm/client.ts';
import { provisionTpm } from './provision-tpm.ts';
import { TpmBox } from './tpm-box.ts';
import { renewIdentity } from './tpm-clear.ts';
import { readIdentity } from './tpm-identity.ts';

export interface OpenBoxParts {
  readonly client: TpmClient;
  /** `<data_dir>/keys/tpm.json`. */
  readonly path: string;
  readonly crypto: EvidenceCrypto;
  readonly tpmCrypto: TpmCrypto;
  readonly logger: Logger;
  /** The TPM was cleared: whatever it had opened before is worth nothing. */
  readonly renewed: () => void;
}

/** Asks the TPM nothing. Throws KEY_PERMISSIONS or KEY_LOCKED when the file cannot be used. */
export function openTpmBox({ client, path, crypto, tpmCrypto, logger, renewed }: OpenBoxParts): TpmBox {
  const box: TpmBox = new TpmBox(client, readIdentity(path, tpmCrypto), crypto, {
    logger,
    provision: (signal) => provisionTpm(client, path, signal),
    renew: async (signal) => {
      const identity = await renewIdentity({ client, crypto, path, identity: box.identity, logger }, signal);
      renewed();
      return identity;
    },
  });
  return box;
}
