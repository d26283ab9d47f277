/**
 * A TPM on paper, with a fixed AK and one counter: what it certifies has every field that a chip's would have. Signatures
 * are RFC 6979, so that examples come out the same each time; a chip's are random.
 */
import { p256 } from '@noble/curves/nist.js';
import { concatBytes, hex } from '../../src/base/bytes.ts';
import { anchorExtraData, anchorLine } from '../../src/evidence/anchor/anchor.ts';
import { type AttestationKey, attestationKey } from '../../src/evidence/anchor/attestation-key.ts';
import type { SignedAttest } from '../../src/evidence/anchor/signed-attest.ts';
import { P256_SPKI_PREFIX } from '../../src/evidence/crypto.ts';
import { formatSignatureLine, type Note, type NoteSignature } from '../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { type Attest, type AttestBody, formatAttest } from '../../src/tpm2/attest.ts';
import { counterNvPublic, writeNvPublic, writtenNvPublic } from '../../src/tpm2/nv-public.ts';
import { seedOf } from './test-log.ts';

export const TEST_COUNTER_INDEX = 0x01800001;

export class TestTpm {
  readonly secret: Uint8Array;
  readonly ak: AttestationKey;
  readonly counterName: Uint8Array;
  counter = 0;
  clock = 1_000n;
  resetCount = 3;
  restartCount = 0;

  constructor(secret: string | Uint8Array = 'ak', index = TEST_COUNTER_INDEX) {
    this.secret = typeof secret === 'string' ? seedOf(`ak ${secret}`) : secret;
    const point = p256.getPublicKey(this.secret, false);
    const ak = attestationKey(nodeCrypto, concatBytes(Uint8Array.from(P256_SPKI_PREFIX), point.subarray(1)));
    if (ak === undefined) throw new Error('a P-256 key');
    this.ak = ak;
    const area = writeNvPublic(writtenNvPublic(counterNvPublic(index)));
    this.counterName = concatBytes(Uint8Array.of(0, 0x0b), nodeCrypto.sha256(area));
  }

  get trust(): { readonly ak: AttestationKey; readonly counter: Uint8Array } {
    return { ak: this.ak, counter: this.counterName };
  }

  /** Members of a log in a policy. */
  get policy(): { readonly ak: string; readonly counter: string; readonly class: string; readonly enrolment: string } {
    const enrolment = Buffer.from(seedOf('enrolment')).toString('base64url');
    const ak = Buffer.from(this.ak.spki).toString('base64');
    return { ak, counter: hex(this.counterName), class: 'hardware', enrolment };
  }

  attest(extraData: Uint8Array, body: AttestBody): Attest {
    const { clock, resetCount, restartCount } = this;
    const clockInfo = { clock, resetCount, restartCount, safe: true };
    return {
      qualifiedSigner: this.ak.qualifiedName,
      extraData,
      clockInfo,
      firmwareVersion: 0x0007_0055_0011_cb00n,
      body,
    };
  }

  nvBody(value = this.counter): AttestBody {
    const contents = new Uint8Array(8);
    new DataView(contents.buffer).setBigUint64(0, BigInt(value));
    return { kind: 'nv', indexName: this.counterName, offset: 0, contents };
  }

  sign(attest: Uint8Array): SignedAttest {
    return { attest, signature: p256.sign(attest, this.secret, { prehash: true, lowS: false, format: 'compact' }) };
  }

  /** NV_Certify of the counter as it stands. */
  certify(checkpointText: string, edit: (attest: Attest) => Attest = (attest) => attest): SignedAttest {
    const attest = this.attest(anchorExtraData(nodeCrypto, checkpointText), this.nvBody());
    return this.sign(formatAttest(edit(attest)));
  }

  line(checkpointText: string, edit?: (attest: Attest) => Attest): NoteSignature {
    const origin = checkpointText.slice(0, checkpointText.indexOf('\n'));
    return anchorLine(nodeCrypto, origin, this.ak.spki, this.certify(checkpointText, edit));
  }

  /** NV_Increment and NV_Certify, a few seconds on. */
  anchor(note: Note): Note {
    this.counter += 1;
    this.clock += 5_000n;
    return this.mark(note);
  }

  /** The note with a line for the counter as it stands. */
  mark(note: Note): Note {
    return { text: note.text, signatures: [...note.signatures, this.line(note.text)] };
  }
}

/** Lines of a note but the first, as `anchor.made` holds them. */
export function linesOf(note: Note): readonly string[] {
  return note.signatures.slice(1).map(formatSignatureLine);
}
