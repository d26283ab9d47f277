/**
 * What is refused whatever a certificate says: single EK certificates (a chip that was stolen, a vendor's authority that was
 * lost) and firmware versions that are known to give keys away. A YAML file that an operator keeps.
 */
import { z } from 'zod';
import { hex } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { loadSettings } from '../../platform/settings.ts';
import { vendorCode } from './vendors.ts';

const sha256Text = z.string().regex(/^[0-9a-f]{64}$/, { error: '64 lowercase hex digits' });
const firmwareText = z.string().regex(/^[0-9a-f]{16}$/, { error: '16 lowercase hex digits' });

export const denyListSchema = z.strictObject({
  certificates: z
    .array(sha256Text)
    .max(100_000)
    .default([])
    .describe('SHA-256 of certificates in DER: of endorsement keys, or of authorities for all that they certified'),
  firmware: z
    .array(
      z.strictObject({
        manufacturer: z.string().regex(/^[A-Z0-9]{1,4}$/, { error: 'a vendor id such as IFX' }),
        from: firmwareText.describe('first refused version, as the AK attests it'),
        to: firmwareText.describe('last refused version'),
        why: z.string().max(200).optional(),
      }),
    )
    .max(10_000)
    .default([]),
});

export type DenyListSettings = z.output<typeof denyListSchema>;

export class DenyList {
  readonly #crypto: EvidenceCrypto;
  readonly #certificates: ReadonlySet<string>;
  readonly #firmware: DenyListSettings['firmware'];

  constructor(crypto: EvidenceCrypto, settings: DenyListSettings) {
    this.#crypto = crypto;
    this.#certificates = new Set(settings.certificates);
    this.#firmware = settings.firmware;
  }

  /** Throws CONFIG_UNREADABLE or CONFIG_INVALID. Without a file nothing is denied. */
  static load(crypto: EvidenceCrypto, path: string | undefined): DenyList {
    const empty = { certificates: [], firmware: [] };
    return new DenyList(crypto, path === undefined ? empty : loadSettings(path, denyListSchema));
  }

  deniesCertificate(der: Uint8Array): boolean {
    return this.#certificates.has(hex(this.#crypto.sha256(der)));
  }

  /** `manufacturer` in 8 hex digits, `firmware` in 16: both compare as texts. */
  deniesFirmware(manufacturer: string, firmware: string): boolean {
    const code = vendorCode(manufacturer);
    return this.#firmware.some((row) => row.manufacturer === code && row.from <= firmware && firmware <= row.to);
  }
}
