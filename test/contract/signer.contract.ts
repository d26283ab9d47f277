/**
 * What every key store owes the journal. Run against each: files, and the TPM.
 *
 * Signatures are checked by OpenSSL through node:crypto from the raw public key, not by the code that made them.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import type { KeyStore, LogPayloadType } from '../../src/edge/contracts/signer.ts';

export interface SignerSubject {
  /** A store over the same place as before: what a restart sees. */
  store(): Promise<KeyStore>;
  /** Makes the key of that log vanish behind the store's back. */
  lose(origin: string): void;
}

/** For stores that can refuse for a while (a TPM that is away, or after wrong authorisations): begins and ends that. */
export interface LockingSubject extends SignerSubject {
  lockOut(): Promise<void>;
  letIn(): Promise<void>;
}

const DOMAIN = 'lockers.example';
const GATEWAY = 'gw-0001';
const TYPES: readonly LogPayloadType[] = [
  'application/vnd.latchkey.batch.v1+ndjson',
  'application/vnd.latchkey.successor.v1+json',
  'application/vnd.latchkey.reply.v1+json',
  'application/vnd.latchkey.enrol.v1+json',
];

/** DSSE v1 pre-authentication encoding, from its text: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body. */
function dssePae(type: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.length} `), Buffer.from(body)]);
}

function holds(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const x = Buffer.from(publicKey).toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return signature.length === 64 && verify(null, message, key, signature);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'resolved';
  } catch (error) {
    return error instanceof LatchkeyError ? error.code : String(error);
  }
}

const noteText = (origin: string): string => `${origin}\n1\n${Buffer.alloc(32).toString('base64')}\n`;

export function signerContract(name: string, subject: () => SignerSubject): void {
  test(`${name}: a new key is named after its public key and kept for the next start`, async () => {
    const { store } = subject();
    const signer = await (await store()).create(DOMAIN, GATEWAY, 7);
    const tag = createHash('sha256').update(signer.publicKey).digest('hex').slice(0, 8);
    expect(signer.publicKey).toHaveLength(32);
    expect(signer.origin).toBe(`${DOMAIN}/${GATEWAY}/7-${tag}`);
    const later = await store();
    expect(await later.list()).toEqual([signer.origin]);
    const again = await later.open(signer.origin);
    expect(again.publicKey).toEqual(signer.publicKey);
    const text = noteText(signer.origin);
    expect(holds(signer.publicKey, Buffer.from(text), await again.signCheckpoint(text))).toBe(true);
  });

  test(`${name}: two logs never share a key`, async () => {
    const store = await subject().store();
    const [one, other] = [await store.create(DOMAIN, GATEWAY, 1), await store.create(DOMAIN, GATEWAY, 1)];
    expect(one.origin).not.toBe(other.origin);
    expect(one.publicKey).not.toEqual(other.publicKey);
    expect([...(await store.list())].sort()).toEqual([one.origin, other.origin].sort());
  });

  test(`${name}: it signs checkpoints of its own log and nothing that only looks like one`, async () => {
    const store = await subject().store();
    const [mine, other] = [await store.create(DOMAIN, GATEWAY, 1), await store.create(DOMAIN, GATEWAY, 2)];
    const text = noteText(mine.origin);
    expect(holds(mine.publicKey, Buffer.from(text), await mine.signCheckpoint(text))).toBe(true);
    for (const foreign of [noteText(other.origin), mine.origin, `${mine.origin}0\n1\n`, `DSSEv1 ${text}`, '']) {
      await expect(mine.signCheckpoint(foreign)).rejects.toThrow(AssertionError);
    }
  });

  test(`${name}: an envelope is signed as its DSSE encoding, under the closed list of types alone`, async () => {
    const signer = await (await subject().store()).create(DOMAIN, GATEWAY, 1);
    const payload = Buffer.from('{"v":1}\n\u00e9');
    for (const type of TYPES) {
      expect(holds(signer.publicKey, dssePae(type, payload), await signer.signEnvelope(type, payload))).toBe(true);
    }
    const others = ['application/vnd.latchkey.command.v1+json', 'application/vnd.latchkey.batch.v1+ndjson ', ''];
    for (const type of others) {
      await expect(signer.signEnvelope(type as LogPayloadType, payload)).rejects.toThrow(AssertionError);
    }
  });

  test(`${name}: a destroyed key signs no more, not even in the hands of who holds it`, async () => {
    const { store } = subject();
    const keys = await store();
    const signer = await keys.create(DOMAIN, GATEWAY, 1);
    const held = await keys.open(signer.origin);
    await keys.destroy(signer.origin);
    for (const dead of [signer, held]) {
      expect(await codeOf(dead.signCheckpoint(noteText(signer.origin)))).toBe('KEY_LOST');
      expect(await codeOf(dead.signEnvelope('application/vnd.latchkey.reply.v1+json', new Uint8Array()))).toBe(
        'KEY_LOST',
      );
    }
    expect(await keys.list()).toEqual([]);
    expect(await codeOf(keys.open(signer.origin))).toBe('KEY_LOST');
    expect(await codeOf((await store()).open(signer.origin))).toBe('KEY_LOST');
    await keys.destroy(signer.origin); // done is done
  });

  test(`${name}: a key that vanished is lost, and the others stay`, async () => {
    const { store, lose } = subject();
    const [gone, here] = [
      await (await store()).create(DOMAIN, GATEWAY, 1),
      await (await store()).create(DOMAIN, GATEWAY, 2),
    ];
    lose(gone.origin);
    expect(await codeOf((await store()).open(gone.origin))).toBe('KEY_LOST');
    expect(await (await store()).list()).toEqual([here.origin]);
    expect(await codeOf((await store()).open(here.origin))).toBe('resolved');
  });
}

export function lockingSignerContract(name: string, subject: () => LockingSubject): void {
  test(`${name}: while it refuses, no key is opened or made; one that is open signs or waits; nothing is lost`, async () => {
    const { store, lockOut, letIn } = subject();
    const signer = await (await store()).create(DOMAIN, GATEWAY, 1);
    const text = noteText(signer.origin);
    await lockOut();
    const later = await store();
    expect(await later.list()).toEqual([signer.origin]);
    expect(await codeOf(later.open(signer.origin))).toBe('KEY_LOCKED');
    expect(await codeOf(later.create(DOMAIN, GATEWAY, 2))).toBe('KEY_LOCKED');
    // An open key may be one that was read before.
    expect(['resolved', 'KEY_LOCKED']).toContain(await codeOf(signer.signCheckpoint(text)));
    await letIn();
    for (const each of [signer, await later.open(signer.origin)]) {
      expect(holds(signer.publicKey, Buffer.from(text), await each.signCheckpoint(text))).toBe(true);
    }
    expect(await later.list()).toEqual([signer.origin]);
  });
}
