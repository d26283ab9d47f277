/** Commands and responses in a session, against HMACs that node:crypto computes from Part 1's formulas. */
import { createHash, createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { concatBytes, hex, unhex, utf8 } from '../../../src/base/bytes.ts';
import { permanent } from '../../../src/edge/tpm/entity.ts';
import { ProtectedCall, type TpmCall } from '../../../src/edge/tpm/protected-call.ts';
import { Secret } from '../../../src/edge/tpm/secret.ts';
import { TpmSession } from '../../../src/edge/tpm/session.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_ALG, TPM_CC, TPM_RH } from '../../../src/tpm2/algorithms.ts';
import { TpmReader, TpmWriter } from '../../../src/tpm2/wire.ts';

const KEY = utf8('the session key of thirty-two by');
const HANDLE = 0x0200_0000;
const NONCE_TPM = new Uint8Array(32).fill(0x11);
const NEXT_NONCE = new Uint8Array(32).fill(0x22);

function session(handle = HANDLE, encryptionBits: 128 | undefined = 128, type: 'hmac' | 'policy' = 'hmac'): TpmSession {
  const key = new Secret(KEY);
  return new TpmSession(nodeTpmCrypto, {
    type,
    handle,
    authHash: TPM_ALG.SHA256,
    encryptionBits,
    key,
    nonceTpm: NONCE_TPM,
  });
}

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(
    createHash('sha256')
      .update(concatBytes(...parts))
      .digest(),
  );
const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): string =>
  createHmac('sha256', key)
    .update(concatBytes(...parts))
    .digest('hex');
const u32 = (value: number): Uint8Array => new TpmWriter().u32(value).bytes();

interface Sent {
  readonly auths: readonly {
    readonly handle: number;
    readonly nonce: Uint8Array;
    readonly attributes: number;
    readonly hmac: string;
  }[];
  readonly parameters: Uint8Array;
}

function takenApart(command: Uint8Array, handles: number): Sent {
  const reader = new TpmReader(command.subarray(10 + 4 * handles));
  const area = new TpmReader(reader.raw(reader.u32()));
  const auths = [];
  while (area.left > 0) {
    auths.push({ handle: area.u32(), nonce: area.sized(), attributes: area.u8(), hmac: hex(area.sized()) });
  }
  return { auths, parameters: reader.rest() };
}

/** A response as a TPM makes it that shares the key. */
function answered(
  call: ProtectedCall,
  commandCode: number,
  parameters: Uint8Array,
  change: { readonly attributes?: number } = {},
) {
  const [auth] = takenApart(call.bytes, 0).auths;
  if (auth === undefined) throw new Error('no session');
  const attributes = change.attributes ?? auth.attributes;
  const rpHash = sha256(u32(0), u32(commandCode), parameters);
  const proof = hmac(KEY, rpHash, NEXT_NONCE, auth.nonce, Uint8Array.of(attributes));
  const tail = new TpmWriter().u32(parameters.length).raw(parameters).sized(NEXT_NONCE).u8(attributes);
  const body = tail.sized(unhex(proof) ?? new Uint8Array()).bytes();
  return new TpmWriter()
    .u16(0x8002)
    .u32(10 + body.length)
    .u32(0)
    .raw(body)
    .bytes();
}

const GET_RANDOM: TpmCall = { command: 'GetRandom', parameters: Uint8Array.of(0, 4) };

test('a command proves key, authorisation value, Name, parameters and nonces', () => {
  // Longer than what HMAC pads with zeros by itself: its block of 64 bytes, less the session key.
  const value = utf8('an owner authorisation of fifty bytes, give or take');
  const auth = new Secret(concatBytes(value, Uint8Array.of(0, 0)));
  const owner = permanent(TPM_RH.OWNER, auth);
  const parameters = new TpmWriter().u64(5n).bytes();
  const call = new ProtectedCall(nodeTpmCrypto, { command: 'ClockSet', handles: [owner], parameters }, session());
  const sent = takenApart(call.bytes, 1);
  const [only] = sent.auths;
  expect(sent.auths).toHaveLength(1);
  const cpHash = sha256(u32(TPM_CC.ClockSet), u32(TPM_RH.OWNER), parameters);
  // Trailing zeros of an authorisation value do not count.
  const wanted = hmac(concatBytes(KEY, value), cpHash, only?.nonce ?? KEY, NONCE_TPM, Uint8Array.of(1));
  expect(only).toMatchObject({ handle: HANDLE, attributes: 1, hmac: wanted });
});

test('where another session encrypts, the first one proves its nonce too', () => {
  const policy = session(0x0300_0001, undefined, 'policy');
  const object = { handle: 0x8000_0000, name: new Uint8Array(34).fill(3), policy };
  const call = new ProtectedCall(nodeTpmCrypto, { command: 'Unseal', handles: [object] }, session());
  const { auths } = takenApart(call.bytes, 1);
  expect(auths.map(({ handle, attributes }) => [handle, attributes])).toEqual([
    [0x0300_0001, 0x01],
    [HANDLE, 0x41],
  ]);
  const cpHash = sha256(u32(TPM_CC.Unseal), object.name);
  const nonce = auths[0]?.nonce ?? KEY;
  expect(auths[0]?.hmac).toBe(hmac(KEY, cpHash, nonce, NONCE_TPM, NONCE_TPM, Uint8Array.of(1)));
});

test('a response that proves itself is decrypted, and then proves nothing a second time', () => {
  const shared = session();
  const call = new ProtectedCall(nodeTpmCrypto, GET_RANDOM, shared);
  const parameters = concatBytes(Uint8Array.of(0, 4), Uint8Array.of(1, 2, 3, 4));
  const response = answered(call, TPM_CC.GetRandom, parameters);
  const opened = call.open(response);
  expect(opened.ok && 'parameters' in opened.value && opened.value.parameters.length).toBe(6);
  const next = new ProtectedCall(nodeTpmCrypto, GET_RANDOM, shared);
  expect(next.open(response)).toMatchObject({ ok: false, reason: 'response_hmac' });
});

test('a session that the TPM ended, and an encrypted parameter beyond the end, are refused', () => {
  const first = new ProtectedCall(nodeTpmCrypto, GET_RANDOM, session());
  const ended = answered(first, TPM_CC.GetRandom, Uint8Array.of(0, 0), { attributes: 0x40 });
  expect(first.open(ended)).toMatchObject({ ok: false, reason: 'response_attributes' });
  const second = new ProtectedCall(nodeTpmCrypto, GET_RANDOM, session());
  const beyond = answered(second, TPM_CC.GetRandom, Uint8Array.of(0, 9, 1));
  expect(second.open(beyond)).toMatchObject({ ok: false, reason: 'response_encrypted_size' });
});
