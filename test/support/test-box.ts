/**
 * A box with a TPM that is played: keys of node:crypto, attests written by hand. Every part of what it says can be wrong in
 * one place. What a real TPM says is tried in test/integration/enrolment.
 */
import { createECDH, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { base64, concatBytes, hex, unbase64 } from '../../src/base/bytes.ts';
import { attestationKey } from '../../src/evidence/anchor/attestation-key.ts';
import { purposeDigest } from '../../src/evidence/anchor/statement.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import { formatVkey, logVkey, type Vkey } from '../../src/evidence/log/note.ts';
import { originFor } from '../../src/evidence/log/origin.ts';
import { ENROL_STATEMENT_TYPE, enrolStatementPayload } from '../../src/evidence/wire/enrolment.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { nodeTpmCrypto } from '../../src/platform/tpm-crypto.ts';
import type { Challenge } from '../../src/risk/enrolment/messages.ts';
import { TPM_ALG } from '../../src/tpm2/algorithms.ts';
import { type Attest, formatAttest } from '../../src/tpm2/attest.ts';
import { type CreationData, writeCreationData } from '../../src/tpm2/creation.ts';
import { kdfa, kdfe } from '../../src/tpm2/kdf.ts';
import { counterNvPublic, nvName, writeNvPublic, writtenNvPublic } from '../../src/tpm2/nv-public.ts';
import { type EccPublic, objectName, writePublic } from '../../src/tpm2/public.ts';
import { formatEcdsaSignature } from '../../src/tpm2/signature.ts';
import { akTemplate, EK_P256, EK_P384, sealedTemplate, signerTemplate } from '../../src/tpm2/templates.ts';
import { TpmReader } from '../../src/tpm2/wire.ts';
import { publicKeyOfPoint } from './test-ca.ts';

export type Members = Record<string, unknown>;

const FIRMWARE = 0x0007_0055_0000_0000n;

interface P256 {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

function p256(): P256 {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
  return { privateKey, spki, x: spki.slice(27, 59), y: spki.slice(59) };
}

export interface TestLogKey {
  readonly vkey: Vkey;
  readonly privateKey: KeyObject;
}

export function testLogKey(gateway: string, number = 1, domain = 'lockers.example'): TestLogKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  return { vkey: logVkey(nodeCrypto, originFor(nodeCrypto, domain, gateway, number, raw), raw), privateKey };
}

export class TestBox {
  readonly gateway: string;
  readonly curve: 'P-256' | 'P-384';
  log: TestLogKey;
  readonly ekPublic: EccPublic;
  readonly ekKey: KeyObject;
  ekCert: Uint8Array = new Uint8Array(0);
  readonly ak: P256;
  readonly login = p256();
  readonly srkName = concatBytes(Uint8Array.of(0, 11), new Uint8Array(32).fill(7));
  readonly counterPublic = writtenNvPublic(counterNvPublic(0x0180_0001));
  counterValue = 5n;
  readonly sealedPublic = { ...sealedTemplate(new Uint8Array(32).fill(3)), unique: nodeTpmCrypto.randomBytes(32) };
  readonly #ekPrivate: Uint8Array;

  constructor(gateway: string, curve: 'P-256' | 'P-384' = 'P-256', ak = p256()) {
    this.ak = ak;
    this.gateway = gateway;
    this.curve = curve;
    this.log = testLogKey(gateway);
    const ecdh = createECDH(curve === 'P-256' ? 'prime256v1' : 'secp384r1');
    const point = Uint8Array.from(ecdh.generateKeys());
    this.#ekPrivate = Uint8Array.from(ecdh.getPrivateKey());
    const size = (point.length - 1) / 2;
    const unique = { x: point.slice(1, 1 + size), y: point.slice(1 + size) };
    this.ekPublic = { ...(curve === 'P-256' ? EK_P256 : EK_P384), unique };
    this.ekKey = publicKeyOfPoint(curve, unique.x, unique.y);
  }

  get akPublic(): EccPublic {
    return akTemplate(this.ak);
  }

  get creation(): CreationData {
    return {
      pcrSelections: [],
      pcrDigest: new Uint8Array(32),
      locality: 1,
      parentNameAlg: TPM_ALG.SHA256,
      parentName: this.srkName,
      parentQualifiedName: this.srkName,
      outsideInfo: purposeDigest(nodeCrypto, 'log-key', this.log.vkey.publicKey),
    };
  }

  /** An attest of this AK, signed. */
  attest(about: Pick<Attest, 'extraData' | 'body'>, changes: Partial<Attest> = {}) {
    const attest = formatAttest({
      qualifiedSigner: attestationKey(nodeCrypto, this.ak.spki)?.qualifiedName ?? new Uint8Array(0),
      clockInfo: { clock: 1_000n, resetCount: 4, restartCount: 0, safe: true },
      firmwareVersion: FIRMWARE,
      ...about,
      ...changes,
    });
    return { attest, signature: this.akSign(attest) };
  }

  akSign(bytes: Uint8Array): Uint8Array {
    const p1363 = sign('sha256', bytes, { key: this.ak.privateKey, dsaEncoding: 'ieee-p1363' });
    return formatEcdsaSignature(Uint8Array.from(p1363));
  }

  creationAttest(changes: Partial<Attest> = {}, creation = writeCreationData(this.creation)) {
    return this.attest(
      {
        extraData: purposeDigest(nodeCrypto, 'log-key', this.log.vkey.publicKey),
        body: {
          kind: 'creation',
          objectName: objectName(nodeTpmCrypto, this.sealedPublic),
          creationHash: nodeCrypto.sha256(creation),
        },
      },
      changes,
    );
  }

  request(changes: Members = {}, head: Members = {}): Members {
    const creation = this.creationAttest();
    return {
      v: 1,
      gateway: this.gateway,
      log: formatVkey(this.log.vkey),
      keys: 'tpm',
      tpm: {
        ek_cert: base64(this.ekCert),
        ek_public: base64(writePublic(this.ekPublic)),
        ak_public: base64(writePublic(this.akPublic)),
        login_public: base64(writePublic(signerTemplate(this.login))),
        srk_name: hex(this.srkName),
        counter_public: base64(writeNvPublic(this.counterPublic)),
        sealed_public: base64(writePublic(this.sealedPublic)),
        creation_data: base64(writeCreationData(this.creation)),
        creation_attest: base64(creation.attest),
        creation_signature: base64(creation.signature),
        properties: { manufacturer: '49465800', firmware: FIRMWARE.toString(16).padStart(16, '0'), vendor: 'SLB9672' },
        ...changes,
      },
      ...head,
    };
  }

  softwareRequest(head: Members = {}): Members {
    return { v: 1, gateway: this.gateway, log: formatVkey(this.log.vkey), keys: 'software', ...head };
  }

  statement(challenge: Challenge): Uint8Array {
    const tpm = {
      ak: hex(objectName(nodeTpmCrypto, this.akPublic)),
      counter: hex(nvName(nodeTpmCrypto, this.counterPublic)),
      login: hex(objectName(nodeTpmCrypto, signerTemplate(this.login))),
      sealed: hex(objectName(nodeTpmCrypto, this.sealedPublic)),
      srk: hex(this.srkName),
    };
    const { gateway, log } = this;
    const isTpm = challenge.credential !== undefined;
    return enrolStatementPayload({ gateway, log: log.vkey, nonce: challenge.nonce, ...(isTpm && { tpm }) });
  }

  possession(statement: Uint8Array): Uint8Array {
    return Uint8Array.from(sign(null, pae(ENROL_STATEMENT_TYPE, statement), this.log.privateKey));
  }

  quote(statement: Uint8Array, changes: Partial<Attest> = {}) {
    const selections = [{ hash: TPM_ALG.SHA256, bitmap: Uint8Array.of(0xff, 0, 0) }];
    const body = { kind: 'quote', selections, pcrDigest: new Uint8Array(32).fill(9) } as const;
    return this.attest({ extraData: purposeDigest(nodeCrypto, 'enrol', statement), body }, changes);
  }

  counter(statement: Uint8Array, changes: Partial<Attest> = {}) {
    const contents = new Uint8Array(8);
    new DataView(contents.buffer).setBigUint64(0, this.counterValue);
    const body = { kind: 'nv', indexName: nvName(nodeTpmCrypto, this.counterPublic), offset: 0, contents } as const;
    return this.attest({ extraData: purposeDigest(nodeCrypto, 'enrol', statement), body }, changes);
  }

  answer(challenge: Challenge, changes: Members = {}, head: Members = {}): Members {
    const statement = this.statement(challenge);
    const encoded = ({ attest, signature }: { attest: Uint8Array; signature: Uint8Array }) => {
      return { attest: base64(attest), signature: base64(signature) };
    };
    const possession = base64(this.possession(statement));
    if (challenge.credential === undefined) return { v: 1, possession, ...head };
    const tpm = {
      proof: base64(this.proof(challenge, statement)),
      quote: encoded(this.quote(statement)),
      counter: encoded(this.counter(statement)),
      ...changes,
    };
    return { v: 1, possession, tpm, ...head };
  }

  proof(challenge: Challenge, statement: Uint8Array): Uint8Array {
    return Uint8Array.from(createHmac('sha256', this.activate(challenge)).update(statement).digest());
  }

  /** TPM2_ActivateCredential (Part 1, section 24): the other half of MakeCredential. */
  activate(challenge: Challenge, akName = objectName(nodeTpmCrypto, this.akPublic)): Uint8Array {
    const { nameAlg, symmetric } = this.ekPublic;
    const secret = new TpmReader(unbase64(challenge.credential?.encrypted_secret ?? '') ?? new Uint8Array(0));
    const [x, y] = [secret.sized(), secret.sized()];
    const ecdh = createECDH(this.curve === 'P-256' ? 'prime256v1' : 'secp384r1');
    ecdh.setPrivateKey(this.#ekPrivate);
    const z = Uint8Array.from(ecdh.computeSecret(concatBytes(Uint8Array.of(4), x, y)));
    const bits = nameAlg === TPM_ALG.SHA256 ? 256 : 384;
    const seed = kdfe(nodeTpmCrypto, nameAlg, z, 'IDENTITY', x, this.ekPublic.unique.x, bits);
    const idObject = new TpmReader(unbase64(challenge.credential?.id_object ?? '') ?? new Uint8Array(0));
    const mac = idObject.sized();
    const cipher = idObject.rest();
    const none = new Uint8Array(0);
    const hmacKey = kdfa(nodeTpmCrypto, nameAlg, seed, 'INTEGRITY', none, none, bits);
    const expected = nodeTpmCrypto.hmac(nameAlg, hmacKey, concatBytes(cipher, akName));
    if (hex(mac) !== hex(expected)) throw new Error('TPM_RC_INTEGRITY');
    const key = kdfa(nodeTpmCrypto, nameAlg, seed, 'STORAGE', akName, none, symmetric?.keyBits ?? 0);
    return new TpmReader(nodeTpmCrypto.aesCfbDecrypt(key, new Uint8Array(16), cipher)).sized();
  }
}

export const utf8Json = (value: unknown): Uint8Array => Uint8Array.from(Buffer.from(JSON.stringify(value)));
