/** Lists of revoked certificates as OpenSSL makes them: which count, for what, and until when. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.ts';
import { readCertificate } from '../../../src/risk/enrolment/certificate.ts';
import { readCrl } from '../../../src/risk/enrolment/crl.ts';
import { checkEk } from '../../../src/risk/enrolment/ek.ts';
import { type CrlCheck, RevocationLists } from '../../../src/risk/enrolment/revocation.ts';
import { writePublic } from '../../../src/tpm2/public.ts';
import { TestBox } from '../../support/test-box.ts';
import { CA_EXTENSIONS, type CrlWish, EK_EXTENSIONS, type TestAuthority } from '../../support/test-ca.ts';
import { refusing } from './refusing.ts';

const shared = refusing();
const { isRefused, soundBox } = shared;
const DAY_MS = 86_400_000;
const nowMs = Date.now() + 60_000;

const serialOf = (bytes: Uint8Array | string): string => new X509Certificate(bytes).serialNumber;

function listsOf(ders: readonly Uint8Array[], check: CrlCheck): RevocationLists {
  const lists = ders.map((der) => readCrl(der));
  expect(lists.filter((each) => typeof each === 'string')).toEqual([]);
  return new RevocationLists(
    lists.filter((each) => typeof each !== 'string'),
    check,
  );
}

async function checked(box: TestBox, ders: readonly Uint8Array[], check: CrlCheck = 'require', atMs = nowMs) {
  const trust = { ...(await shared.vendors.trust()), revocation: listsOf(ders, check) };
  return checkEk(trust, { certificate: box.ekCert, public: writePublic(box.ekPublic) }, atMs);
}

const crl = (issuer: TestAuthority, wish?: CrlWish): Uint8Array => shared.vendors.ca.crl(issuer, wish);

describe('where a list is required', () => {
  test('each certificate below a root needs a current one of its issuer', async () => {
    const { root, intermediate } = shared.vendors;
    const box = soundBox();
    const [above, below] = [crl(root), crl(intermediate)];
    isRefused(await checked(box, []), 'crl_missing');
    isRefused(await checked(box, [below]), 'crl_missing');
    isRefused(await checked(box, [above]), 'crl_missing');
    expect((await checked(box, [above, below])).ok).toBe(true);
    isRefused(await checked(box, [above, below], 'require', nowMs + 40 * DAY_MS), 'crl_stale');
    isRefused(await checked(box, [above, below], 'require', nowMs - DAY_MS / 2 - 2 * DAY_MS), 'certificate_validity');
    const ahead = crl(intermediate, { fromMs: nowMs + DAY_MS, toMs: nowMs + 9 * DAY_MS });
    isRefused(await checked(box, [above, ahead]), 'crl_stale');
  });

  test('one that somebody else signed in its name is none, nor one of an issuer that may not sign lists', async () => {
    const { root, ca } = shared.vendors;
    const box = soundBox();
    const forged = crl(ca.authority('Vendor Intermediate'));
    isRefused(await checked(box, [crl(root), forged]), 'crl_missing');
    const mute = ca.authority('Mute', { extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign'] });
    expect(CA_EXTENSIONS.join()).toContain('cRLSign');
    const under = shared.vendors.certified(new TestBox('gw-mute'), mute);
    const certificate = present(readCertificate(derOf(mute.pem)), 'a certificate');
    const trust = {
      ...(await shared.vendors.trust()),
      authorities: [{ certificate, class: 'hardware' as const }],
      revocation: listsOf([crl(mute)], 'require'),
    };
    const ek = { certificate: under.ekCert, public: writePublic(under.ekPublic) };
    isRefused(checkEk(trust, ek, nowMs), 'crl_missing');
  });

  test('one for a part of the certificates covers that part', async () => {
    const { root, intermediate, ca } = shared.vendors;
    const [plain, users] = [crl(root), 'issuingDistributionPoint=critical,@idp'];
    const only = (what: string) => ({ extensions: [users], sections: `[idp]\n${what}` });
    const box = soundBox();
    expect((await checked(box, [plain, crl(intermediate, only('onlyuser=TRUE'))])).ok).toBe(true);
    isRefused(await checked(box, [plain, crl(intermediate, only('onlyCA=TRUE'))]), 'crl_missing');
    isRefused(await checked(box, [crl(root, only('onlyuser=TRUE')), crl(intermediate)]), 'crl_missing');
    const [here, there] = ['http://crl.example/1.crl', 'http://crl.example/2.crl'];
    const pointed = new TestBox('gw-pointed');
    const extensions = [...EK_EXTENSIONS, `crlDistributionPoints=URI:${here}`];
    pointed.ekCert = ca.certificate({ publicKey: pointed.ekKey, issuer: intermediate, extensions });
    expect((await checked(pointed, [plain, crl(intermediate, only(`fullname=URI:${here}`))])).ok).toBe(true);
    const elsewhere = only(`fullname=URI:${there}`);
    isRefused(await checked(pointed, [plain, crl(intermediate, elsewhere)]), 'crl_missing');
    // A serial number is one certificate's wherever its issuer names it.
    const revoked = { ...elsewhere, revoked: [serialOf(pointed.ekCert)] };
    isRefused(await checked(pointed, [plain, crl(intermediate, revoked)]), 'certificate_revoked');
  });
});

test('what is revoked stays so when the list is not current, and is believed again when a newer list leaves it out', async () => {
  const { intermediate } = shared.vendors;
  const box = soundBox();
  const revoked = [serialOf(box.ekCert)];
  const old = crl(intermediate, { revoked, fromMs: nowMs - 20 * DAY_MS, toMs: nowMs - 10 * DAY_MS });
  isRefused(await checked(box, [old], 'if_present'), 'certificate_revoked');
  const newer = crl(intermediate);
  expect((await checked(box, [old, newer], 'if_present')).ok).toBe(true);
  expect((await checked(box, [], 'if_present')).ok).toBe(true);
  expect(listsOf([old], 'if_present').staleCount(nowMs)).toBe(1);
  expect(listsOf([old, newer], 'if_present').staleCount(nowMs)).toBe(0);
});

test('no bit of a list can change so that what it revokes is believed', async () => {
  const { root, intermediate } = shared.vendors;
  const box = soundBox();
  const [above, list] = [crl(root), crl(intermediate, { revoked: [serialOf(box.ekCert)] })];
  isRefused(await checked(box, [above, list]), 'certificate_revoked');
  const chain = [box.ekCert, derOf(intermediate.pem), derOf(root.pem)].map((der) =>
    present(readCertificate(der), 'a certificate'),
  );
  let read = 0;
  for (let at = 0; at < list.length; at += 3) {
    const changed = Uint8Array.from(list);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 7));
    const found = readCrl(changed);
    if (typeof found === 'string') continue;
    read += 1;
    const problem = new RevocationLists([found, readAbove(above)], 'require').problem(chain, nowMs);
    expect({ at, problem }).not.toEqual({ at, problem: undefined });
  }
  expect(read).toBeGreaterThan(50);
});

function derOf(pem: string): Uint8Array {
  return Uint8Array.from(new X509Certificate(pem).raw);
}

function readAbove(der: Uint8Array) {
  const found = readCrl(der);
  if (typeof found === 'string') throw new Error(found);
  return found;
}

test('what is no complete list of one issuer is refused, and said', () => {
  const { root } = shared.vendors;
  const scoped = (what: string): CrlWish => ({
    extensions: ['issuingDistributionPoint=critical,@idp'],
    sections: `[idp]\n${what}`,
  });
  const sound = crl(root);
  expect(typeof readCrl(sound)).toBe('object');
  const wrong: readonly (readonly [Uint8Array, RegExp])[] = [
    [Uint8Array.of(), /expected a list/],
    [Uint8Array.from(new X509Certificate(root.pem).raw), /expected a list/],
    [Uint8Array.from([...sound, 0]), /bytes follow|expected a list/],
    [sound.slice(0, -1), /expected a list|bytes follow/],
    [crl(root, { digest: 'sha1' }), /not accepted/],
    [crl(root, { extensions: ['2.5.29.27=critical,ASN1:INTEGER:1'] }), /critical extension.*2\.5\.29\.27/],
    [crl(root, { extensions: ['1.2.3.4=critical,ASN1:NULL'] }), /1\.2\.3\.4/],
    [crl(root, scoped('indirectCRL=TRUE')), /indirect/],
    [crl(root, scoped('onlysomereasons=keyCompromise')), /some reasons/],
    [crl(root, scoped('onlyAA=TRUE')), /no certificates of keys/],
  ];
  for (const [der, said] of wrong) expect(readCrl(der)).toMatch(said);
});
