/** TCG structures against bytes of another hand: the EK profile, a TPM's own answers, tpm2-tools. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, equalBytes, hex, unhex } from '../../../src/base/bytes.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { hashSizeBytes, TPM_ALG, TPM_RH, TPMA_NV } from '../../../src/tpm2/algorithms.ts';
import { type CreationData, parseCreationData, writeCreationData } from '../../../src/tpm2/creation.ts';
import { counterNvPublic, parseNvPublic, writeNvPublic, writtenNvPublic } from '../../../src/tpm2/nv-public.ts';
import { readPcrSelections, writePcrSelections } from '../../../src/tpm2/pcr.ts';
import { objectName, type PublicReason, parsePublic, type TpmPublic, writePublic } from '../../../src/tpm2/public.ts';
import {
  akTemplate,
  EK_P256,
  EK_P256_H2,
  EK_P384,
  EK_RSA2048,
  EK_RSA2048_H1,
  SRK_P256,
  sealedTemplate,
  signerTemplate,
} from '../../../src/tpm2/templates.ts';
import { NULL_HASHCHECK, readTicket, writeTicket } from '../../../src/tpm2/ticket.ts';
import { TpmReader, TpmWriter } from '../../../src/tpm2/wire.ts';
import { mutate, Random } from '../../support/mutate.ts';

const bytes = (text: string): Uint8Array => unhex(text.replaceAll(/\s/g, '')) ?? new Uint8Array();
const NO_POINT = { x: new Uint8Array(0), y: new Uint8Array(0) };
const ZEROS = '00'.repeat(32);

describe('public areas', () => {
  const POLICY_A = '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa';
  const POLICY_B_256 = 'ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0';
  const POLICY_B_384 =
    'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12';
  test.each([
    ['the SRK', SRK_P256, `0023000b0003047200000006008000430010000300100020${ZEROS}0020${ZEROS}`],
    [
      'the EK of template L-2',
      EK_P256,
      `0023000b000300b20020${POLICY_A}0006008000430010000300100020${ZEROS}0020${ZEROS}`,
    ],
    ['the EK of template H-3', EK_P384, `0023000c000300f20030${POLICY_B_384}00060100004300100004001000000000`],
    ['the EK of template H-2', EK_P256_H2, `0023000b000300f20020${POLICY_B_256}00060080004300100003001000000000`],
    ['the EK of template H-1', EK_RSA2048_H1, `0001000b000300f20020${POLICY_B_256}00060080004300100800000000000000`],
    [
      'the EK of template L-1',
      EK_RSA2048,
      `0001000b000300b20020${POLICY_A}00060080004300100800000000000100${'00'.repeat(256)}`,
    ],
    ['an attestation key', akTemplate(NO_POINT), '0023000b000504720000 0010 0018000b 0003 0010 0000 0000'],
    ['a signer', signerTemplate(NO_POINT), '0023000b000404720000 0010 0018000b 0003 0010 0000 0000'],
    ['sealed data', sealedTemplate(bytes(POLICY_A)), `0008000b000004920020${POLICY_A}00100000`],
  ])('%s has the bytes of its profile, and is read from them', (_name, template, wanted) => {
    expect(hex(writePublic(template))).toBe(hex(bytes(wanted)));
    expect(parsePublic(bytes(wanted))).toEqual({ ok: true, value: template });
  });

  test('sealed data cannot be opened by its empty password', () => {
    const userWithAuth = 1 << 6;
    expect(sealedTemplate(new Uint8Array(32)).attributes & userWithAuth).toBe(0);
  });

  test('a Name is the hash algorithm, then the hash of the area', () => {
    const area = writePublic(EK_P384);
    const wanted = concatBytes(bytes('000c'), nodeTpmCrypto.hash(TPM_ALG.SHA384, area));
    expect(hex(objectName(nodeTpmCrypto, EK_P384))).toBe(hex(wanted));
  });

  const POINT = `0020${ZEROS}0020${ZEROS}`;
  test.each<[PublicReason, string]>([
    ['public_truncated', '0023000b00'],
    ['public_truncated', `0023000b0003047200000006008000430010000300100020${ZEROS}0020${ZEROS}00`],
    ['public_truncated', '0023000b00030472ffff'],
    ['public_type', '0025000b0003047200000010'],
    ['public_name_alg', `0023001000030472000000060080004300100003 0010${POINT}`],
    ['public_symmetric', `0023000b000304720000 0006 0081 0043 0010 0003 0010${POINT}`],
    ['public_symmetric', `0023000b000304720000 0026 0080 0043 0010 0003 0010${POINT}`],
    ['public_scheme', `0023000b000304720000 0010 0014 000b 0003 0010${POINT}`],
    ['public_scheme', `0023000b000304720000 0010 0018 0010 0003 0010${POINT}`],
    ['public_curve', `0023000b000304720000 0010 0010 0005 0010${POINT}`],
    ['public_kdf', `0023000b000304720000 0010 0010 0003 0020 000b${POINT}`],
  ])('%s is said of %s', (reason, text) => {
    expect(parsePublic(bytes(text))).toMatchObject({ ok: false, reason });
  });

  test('what is accepted writes back to the same bytes, whatever came', () => {
    const random = new Random(7);
    const valid = [SRK_P256, EK_P384, EK_RSA2048, sealedTemplate(new Uint8Array(32))].map(writePublic);
    let accepted = 0;
    for (let i = 0; i < 20_000; i += 1) {
      const mutant = mutate(random, valid[i % valid.length] ?? new Uint8Array(), valid);
      const parsed = parsePublic(mutant);
      if (!parsed.ok) continue;
      accepted += 1;
      expect(hex(writePublic(parsed.value))).toBe(hex(mutant));
    }
    expect(accepted).toBeGreaterThan(100);
  });
});

describe('NV areas', () => {
  test('a counter has the attributes that let anybody count, and keep it through a power cut', () => {
    const fresh = counterNvPublic(0x0180_0001);
    expect(hex(writeNvPublic(fresh))).toBe('01800001000b0204001400000008');
    expect(hex(writeNvPublic(writtenNvPublic(fresh)))).toBe('01800001000b2204001400000008');
    expect(fresh.attributes & TPMA_NV.ORDERLY).toBe(0);
    expect(parseNvPublic(bytes('01800001000b2204001400000008'))).toEqual({ ok: true, value: writtenNvPublic(fresh) });
  });

  test.each([
    ['nv_public_truncated', '01800001000b22040014000000'],
    ['nv_public_truncated', '01800001000b220400140000000800'],
    ['nv_public_index', '81800001000b2204001400000008'],
    ['nv_public_name_alg', '0180000100102204001400000008'],
  ])('%s is said of %s', (reason, text) => {
    expect(parseNvPublic(bytes(text))).toMatchObject({ ok: false, reason });
  });
});

describe('PCR selections', () => {
  test('a selection is one bit per PCR, the lowest first', () => {
    const written = writePcrSelections(new TpmWriter(), [{ hashAlg: TPM_ALG.SHA256, pcrs: [0, 7, 16] }]).bytes();
    expect(hex(written)).toBe('00000001000b03810001');
  });

  test('each selection is read as it was written', () => {
    const selection = fc.record({
      hashAlg: fc.constantFrom(TPM_ALG.SHA1, TPM_ALG.SHA256, TPM_ALG.SHA384),
      pcrs: fc.uniqueArray(fc.integer({ min: 0, max: 23 })).map((pcrs) => pcrs.sort((a, b) => a - b)),
    });
    fc.assert(
      fc.property(fc.array(selection, { maxLength: 4 }), (selections) => {
        const reader = new TpmReader(writePcrSelections(new TpmWriter(), selections).bytes());
        expect(readPcrSelections(reader)).toEqual(selections);
        expect(reader.ended).toBe(true);
      }),
    );
  });

  test.each(['ffffffff', '00000001 0010 03 000000', '00000001 000b 05 0000000000', '00000001 000b 03 00'])(
    'a list such as %s is none',
    (text) => {
      expect(readPcrSelections(new TpmReader(bytes(text)))).toBeUndefined();
    },
  );
});

describe('creation data and tickets', () => {
  const data: CreationData = {
    pcrSelections: [{ hashAlg: TPM_ALG.SHA256, pcrs: [3] }],
    pcrDigest: new Uint8Array(32).fill(1),
    locality: 1,
    parentNameAlg: TPM_ALG.SHA256,
    parentName: new Uint8Array(34).fill(2),
    parentQualifiedName: new Uint8Array(34).fill(3),
    outsideInfo: new Uint8Array(32).fill(4),
  };

  test('creation data of a sealed seed with a digest outside is 153 bytes long, as a TPM makes it', () => {
    expect(writeCreationData(data)).toHaveLength(153);
    expect(parseCreationData(writeCreationData(data))).toEqual({ ok: true, value: data });
  });

  test('cut creation data is refused at every length', () => {
    const whole = writeCreationData(data);
    for (let size = 0; size < whole.length; size += 1) {
      expect(parseCreationData(whole.subarray(0, size))).toMatchObject({ ok: false });
    }
    expect(parseCreationData(concatBytes(whole, Uint8Array.of(0)))).toMatchObject({ reason: 'creation_truncated' });
  });

  test('the ticket of a digest that no TPM made is eight bytes', () => {
    const written = writeTicket(new TpmWriter(), NULL_HASHCHECK).bytes();
    expect(hex(written)).toBe('8024400000070000');
    expect(readTicket(new TpmReader(written))).toEqual(NULL_HASHCHECK);
    expect(NULL_HASHCHECK.hierarchy).toBe(TPM_RH.NULL);
  });
});

test('hashes have the sizes of FIPS 180-4', () => {
  const sizes = [TPM_ALG.SHA1, TPM_ALG.SHA256, TPM_ALG.SHA384, TPM_ALG.SHA512].map(hashSizeBytes);
  expect(sizes).toEqual([20, 32, 48, 64]);
  const empty = hex(nodeTpmCrypto.hash(TPM_ALG.SHA1, new Uint8Array(0)));
  expect(empty).toBe('da39a3ee5e6b4b0d3255bfef95601890afd80709');
  const area: TpmPublic = SRK_P256;
  expect(equalBytes(writePublic(area), writePublic({ ...area }))).toBe(true);
});
