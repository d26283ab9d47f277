/** Whether the pinned AK vouches for the storage key of a TPM that says it was cleared. */
import { expect, test } from 'vitest';
import { storageProofFault } from '../../../src/edge/keys/tpm-clear.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { type AttestBody, formatAttest } from '../../../src/tpm2/attest.ts';
import { formatEcdsaSignature } from '../../../src/tpm2/signature.ts';
import { TestTpm } from '../../support/test-tpm.ts';

const own = new TestTpm();
const nonce = new Uint8Array(32).fill(5);
const storage = Uint8Array.from([0, 0x0b, ...new Uint8Array(32).fill(6)]);
const certified = (name: Uint8Array): AttestBody => ({ kind: 'certify', name, qualifiedName: name });

function fault({ tpm = own, over = nonce, body = certified(storage) } = {}): string | undefined {
  const { attest, signature } = tpm.sign(formatAttest(tpm.attest(over, body)));
  const signed = { attest, signature: formatEcdsaSignature(signature) };
  return storageProofFault(nodeCrypto, { ak: own.ak.spki, storage, nonce }, signed);
}

test('a certificate of the storage key by the pinned AK, made now, is believed', () => {
  expect(fault()).toBeUndefined();
});

test.each([
  ['another AK', { tpm: new TestTpm('thief') }, /did not sign/],
  ['another time', { over: new Uint8Array(32) }, /another time/],
  ['another key', { body: certified(new Uint8Array(34)) }, /something else/],
  ['another type of attestation', { body: own.nvBody() }, /something else/],
])('a certificate of %s lets nobody have log keys sealed to a key of his own', (_, change, found) => {
  expect(fault(change)).toMatch(found);
});
