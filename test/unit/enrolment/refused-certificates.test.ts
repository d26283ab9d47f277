/** Every reason of the table is reached, each by one thing that is wrong about a box that is otherwise sound. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { hex } from '../../../src/base/bytes.ts';
import { accept } from '../../../src/base/result.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { readCrl } from '../../../src/risk/enrolment/crl.ts';
import { checkEk } from '../../../src/risk/enrolment/ek.ts';
import type { EnrolRefusal } from '../../../src/risk/enrolment/reasons.ts';
import { RevocationLists } from '../../../src/risk/enrolment/revocation.ts';
import { TPMA_OBJECT } from '../../../src/tpm2/algorithms.ts';
import { writePublic } from '../../../src/tpm2/public.ts';
import { TestBox } from '../../support/test-box.ts';
import { CA_EXTENSIONS, EK_EXTENSIONS, type TestAuthority } from '../../support/test-ca.ts';
import { refusing } from './refusing.ts';

const shared = refusing();
const { isRefused, soundBox, allReached } = shared;

describe('a certificate is refused', () => {
  const nowMs = Date.now() + 60_000;

  async function checked(box: TestBox, atMs = nowMs, authority?: TestAuthority, deny = {}) {
    const trust = await shared.vendors.trust(deny);
    const { readCertificate } = await import('../../../src/risk/enrolment/certificate.ts');
    const extra = authority === undefined ? undefined : readCertificate(derOf(authority.pem));
    const authorities =
      extra === undefined
        ? trust.authorities
        : [...trust.authorities, { certificate: extra, class: 'hardware' as const }];
    return checkEk({ ...trust, authorities }, { certificate: box.ekCert, public: writePublic(box.ekPublic) }, atMs);
  }

  function derOf(pem: string): Uint8Array {
    return Uint8Array.from(Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64'));
  }

  function issued(
    extensions: readonly string[],
    more: { issuer?: TestAuthority; digest?: string; sections?: string } = {},
  ) {
    const box = new TestBox('gw-0001');
    box.ekCert = shared.vendors.ca.certificate({
      publicKey: box.ekKey,
      issuer: shared.vendors.intermediate,
      extensions,
      ...more,
    });
    return box;
  }

  test('accepted is one with nothing wrong', async () => {
    expect(await checked(issued(EK_EXTENSIONS))).toMatchObject({ ok: true, value: { class: 'hardware' } });
  });

  test('when it is no certificate, or more than one', async () => {
    const box = soundBox();
    const { ekCert } = box;
    for (const bad of [Uint8Array.of(1, 2, 3), Uint8Array.from([...ekCert, 0]), ekCert.slice(0, -1)]) {
      box.ekCert = bad;
      isRefused(await checked(box), 'certificate');
    }
  });

  test('when its time has not come or is over, or an authority is', async () => {
    isRefused(await checked(soundBox(), nowMs - 86_400_000), 'certificate_validity');
    isRefused(await checked(soundBox(), nowMs + 20 * 366 * 86_400_000), 'certificate_validity');
  });

  test.each<[EnrolRefusal, string, readonly string[]]>([
    ['certificate_critical', 'an unknown critical extension', [...EK_EXTENSIONS, '1.2.3.4=critical,ASN1:UTF8String:x']],
    ['certificate_purpose', 'another purpose', ['extendedKeyUsage=clientAuth', ...EK_EXTENSIONS.slice(1)]],
    ['certificate_purpose', 'no purpose', EK_EXTENSIONS.slice(1)],
    [
      'certificate_authority',
      'an authority',
      [...EK_EXTENSIONS.slice(0, 2), 'basicConstraints=critical,CA:TRUE', ...EK_EXTENSIONS.slice(3)],
    ],
    ['certificate_usage', 'another use', [...EK_EXTENSIONS.slice(0, 3), 'keyUsage=critical,digitalSignature']],
    ['certificate_usage', 'no use', EK_EXTENSIONS.slice(0, 3)],
    ['certificate_name', 'no name of a TPM', [...EK_EXTENSIONS.slice(0, 1), ...EK_EXTENSIONS.slice(2)]],
  ])('%s: for %s', async (reason, _what, extensions) => {
    isRefused(await checked(issued(extensions)), reason);
  });

  test('for a manufacturer that is not an id', async () => {
    const sections = '[tpm_name]\n0.2.23.133.2.1=IFX\n0.2.23.133.2.2=a\n0.2.23.133.2.3=b\n';
    isRefused(await checked(issued(EK_EXTENSIONS, { sections })), 'certificate_name');
  });

  test('for weak hashes and keys', async () => {
    isRefused(await checked(issued(EK_EXTENSIONS, { digest: 'sha1' })), 'certificate_algorithm');
    const weak = shared.vendors.ca.authority('Weak Root', { rsaBits: 1024 });
    isRefused(await checked(issued(EK_EXTENSIONS, { issuer: weak }), nowMs, weak), 'certificate_algorithm');
  });

  test('for an issuer that is unknown, or only has the name of a known one', async () => {
    isRefused(await checked(issued(EK_EXTENSIONS, { issuer: shared.vendors.ca.authority('Nobody') })), 'chain_unknown');
    isRefused(
      await checked(issued(EK_EXTENSIONS, { issuer: shared.vendors.ca.authority('Vendor Root') })),
      'chain_signature',
    );
  });

  test('for an issuer that may not issue', async () => {
    const leaf = shared.vendors.ca.authority('No Authority', {
      issuer: shared.vendors.root,
      extensions: ['basicConstraints=critical,CA:FALSE'],
    });
    isRefused(await checked(issued(EK_EXTENSIONS, { issuer: leaf }), nowMs, leaf), 'chain_authority');
    const noSign = shared.vendors.ca.authority('No Signing', {
      issuer: shared.vendors.root,
      extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,cRLSign'],
    });
    isRefused(await checked(issued(EK_EXTENSIONS, { issuer: noSign }), nowMs, noSign), 'chain_authority');
    const odd = shared.vendors.ca.authority('Odd', {
      issuer: shared.vendors.root,
      extensions: [...CA_EXTENSIONS, '1.2.3.4=critical,ASN1:UTF8String:x'],
    });
    isRefused(await checked(issued(EK_EXTENSIONS, { issuer: odd }), nowMs, odd), 'certificate_critical');
  });

  test('for a chain that is longer than an authority allows', async () => {
    const short = shared.vendors.ca.authority('Short', {
      extensions: ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign'],
    });
    const under = shared.vendors.ca.authority('Under', { issuer: short });
    const { readCertificate } = await import('../../../src/risk/enrolment/certificate.ts');
    const authorities = [short, under].flatMap(({ pem }) => {
      const certificate = readCertificate(derOf(pem));
      return certificate === undefined ? [] : [{ certificate, class: 'hardware' as const }];
    });
    const box = issued(EK_EXTENSIONS, { issuer: under });
    const ek = { certificate: box.ekCert, public: writePublic(box.ekPublic) };
    isRefused(checkEk({ ...(await shared.vendors.trust()), authorities }, ek, nowMs), 'chain_length');
    const direct = issued(EK_EXTENSIONS, { issuer: short });
    const ekDirect = { certificate: direct.ekCert, public: writePublic(direct.ekPublic) };
    expect(checkEk({ ...(await shared.vendors.trust()), authorities }, ekDirect, nowMs).ok).toBe(true);
  });

  test('when it or its authority is on the deny list', async () => {
    const box = soundBox();
    const hash = (der: Uint8Array) => hex(nodeCrypto.sha256(der));
    isRefused(await checked(box, nowMs, undefined, { certificates: [hash(box.ekCert)] }), 'certificate_denied');
    isRefused(
      await checked(box, nowMs, undefined, { certificates: [hash(derOf(shared.vendors.intermediate.pem))] }),
      'certificate_denied',
    );
    expect((await checked(box, nowMs, undefined, { certificates: [hash(Uint8Array.of(1))] })).ok).toBe(true);
  });

  test('when an authority revoked it, or the authority below it', async () => {
    const { ca, root, intermediate } = shared.vendors;
    const box = soundBox();
    const serial = new X509Certificate(box.ekCert).serialNumber;
    const below = new X509Certificate(intermediate.pem).serialNumber;
    const lists = (...ders: readonly Uint8Array[]) =>
      new RevocationLists(
        ders.map((der) => readCrl(der)).filter((each) => typeof each !== 'string'),
        'if_present',
      );
    const check = async (revocation: RevocationLists) => {
      const trust = { ...(await shared.vendors.trust()), revocation };
      return checkEk(trust, { certificate: box.ekCert, public: writePublic(box.ekPublic) }, nowMs);
    };
    isRefused(await check(lists(ca.crl(intermediate, { revoked: [serial] }))), 'certificate_revoked');
    isRefused(await check(lists(ca.crl(root, { revoked: [below] }))), 'certificate_revoked');
    expect((await check(lists(ca.crl(intermediate, { revoked: [below] })))).ok).toBe(true);
  });

  test('with an endorsement key that is none, of no known template, or another one', async () => {
    const box = soundBox();
    const trust = await shared.vendors.trust();
    const check = (bytes: Uint8Array) => checkEk(trust, { certificate: box.ekCert, public: bytes }, nowMs);
    isRefused(check(Uint8Array.of(0, 35)), 'ek_public');
    const { ekPublic } = box;
    isRefused(
      check(writePublic({ ...ekPublic, attributes: ekPublic.attributes & ~TPMA_OBJECT.fixedTPM })),
      'ek_template',
    );
    isRefused(check(writePublic({ ...ekPublic, authPolicy: new Uint8Array(32) })), 'ek_template');
    isRefused(check(writePublic({ ...ekPublic, unique: soundBox().ekPublic.unique })), 'ek_key');
    expect(check(writePublic(ekPublic)).ok).toBe(true);
  });
});

test('a key of RSA is not taken for a key of a curve', async () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const box = new TestBox('gw-0001');
  const extensions = [...EK_EXTENSIONS.slice(0, 3), 'keyUsage=critical,keyEncipherment'];
  box.ekCert = shared.vendors.ca.certificate({ publicKey, issuer: shared.vendors.root, extensions });
  const ek = { certificate: box.ekCert, public: writePublic(box.ekPublic) };
  isRefused(checkEk(await shared.vendors.trust(), ek, Date.now() + 60_000), 'ek_key');
  expect(accept(1).ok).toBe(true);
});

test('every reason of certificates was reached', () => {
  allReached((reason) => /^(certificate|chain|ek)(_|$)/.test(reason), 5);
});
