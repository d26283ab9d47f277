/** What the open wire needs of cryptography, out of node:crypto. CMAC is not there by name: its last block is CBC's. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { WireCrypto } from '../../../../firmware-protocol/codec/crypto.ts';

const BLOCK = 16;
const TAG_BYTES = 8;
const ZEROS = new Uint8Array(BLOCK);
const CCM = 'aes-128-ccm';

export const nodeWireCrypto: WireCrypto = {
  cmac(key, data) {
    const whole = data.length > 0 && data.length % BLOCK === 0;
    const blocks = whole ? data.length / BLOCK : Math.floor(data.length / BLOCK) + 1;
    const padded = new Uint8Array(blocks * BLOCK);
    padded.set(data);
    if (!whole) padded[data.length] = 0x80;
    const once = doubled(encryptBlock(key, ZEROS));
    const subkey = whole ? once : doubled(once);
    const last = padded.length - BLOCK;
    for (let i = 0; i < BLOCK; i += 1) padded[last + i] = (padded[last + i] ?? 0) ^ (subkey[i] ?? 0);
    const cipher = createCipheriv('aes-128-cbc', key, ZEROS).setAutoPadding(false);
    return Uint8Array.from(cipher.update(padded).subarray(-BLOCK));
  },

  seal(key, nonce, aad, plain) {
    const cipher = createCipheriv(CCM, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(aad, { plaintextLength: plain.length });
    const text = cipher.update(plain);
    cipher.final();
    return Uint8Array.from(Buffer.concat([text, cipher.getAuthTag()]));
  },

  open(key, nonce, aad, text, tag) {
    const decipher = createDecipheriv(CCM, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(tag);
    decipher.setAAD(aad, { plaintextLength: text.length });
    try {
      const plain = decipher.update(text);
      decipher.final();
      return Uint8Array.from(plain);
    } catch {
      // OpenSSL says a false tag with an exception, and the lengths were checked before.
      return undefined;
    }
  },
};

function encryptBlock(key: Uint8Array, block: Uint8Array): Uint8Array {
  return createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block);
}

function doubled(block: Uint8Array): Uint8Array {
  const out = Uint8Array.from(block, (byte, i) => ((byte << 1) | ((block[i + 1] ?? 0) >> 7)) & 0xff);
  if (((block[0] ?? 0) & 0x80) !== 0) out[BLOCK - 1] = (out[BLOCK - 1] ?? 0) ^ 0x87;
  return out;
}
