/** Certificates by another hand: OpenSSL's. Authorities and endorsement keys with whatever is right or wrong about them. */
import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { TempDir } from './temp-dir.ts';

export interface TestAuthority {
  readonly name: string;
  readonly keyFile: string;
  readonly certFile: string;
  readonly pem: string;
}

export interface CertificateWish {
  readonly subject?: string;
  readonly issuer?: TestAuthority;
  readonly publicKey: KeyObject;
  /** Lines of the extension section. */
  readonly extensions: readonly string[];
  readonly digest?: string;
  readonly sections?: string;
  /** Below 0 it has expired. */
  readonly days?: number;
}

export const TPM_NAME_SECTION = `
[tpm_name]
0.2.23.133.2.1=id:49465800
0.2.23.133.2.2=SLB9672
0.2.23.133.2.3=id:000F000A
`;
export const EK_EXTENSIONS = [
  'extendedKeyUsage=2.23.133.8.1',
  'subjectAltName=critical,dirName:tpm_name',
  'basicConstraints=critical,CA:FALSE',
  'keyUsage=critical,keyAgreement',
];
export const CA_EXTENSIONS = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];

export interface CrlWish {
  /** Serial numbers, hex. */
  readonly revoked?: readonly string[];
  readonly fromMs?: number;
  readonly toMs?: number;
  /** Lines of the extension section. */
  readonly extensions?: readonly string[];
  readonly sections?: string;
  readonly digest?: string;
}

const DAY_MS = 86_400_000;

let serial = 0;

export class TestCa {
  readonly #dir: TempDir;

  constructor(dir: TempDir) {
    this.#dir = dir;
  }

  /** A root when no issuer is given. */
  authority(
    name: string,
    wish: Partial<Pick<CertificateWish, 'issuer' | 'extensions' | 'days'>> & { readonly rsaBits?: number } = {},
  ): TestAuthority {
    const { publicKey, privateKey } =
      wish.rsaBits === undefined
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: wish.rsaBits });
    serial += 1;
    const keyFile = this.#dir.file(`${serial}.key`);
    writeFileSync(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }));
    const certFile = this.#dir.file(`${serial}.ca.pem`);
    const self = { name, keyFile, certFile, pem: '' };
    const der = this.certificate(
      {
        subject: `/CN=${name}`,
        publicKey,
        extensions: wish.extensions ?? CA_EXTENSIONS,
        ...(wish.issuer !== undefined && { issuer: wish.issuer }),
        ...(wish.days !== undefined && { days: wish.days }),
      },
      wish.issuer === undefined ? self : undefined,
    );
    const pem = new X509Certificate(der).toString();
    writeFileSync(certFile, pem);
    return { ...self, pem };
  }

  /** A list of revoked certificates, DER. */
  crl(issuer: TestAuthority, wish: CrlWish = {}): Uint8Array {
    serial += 1;
    const file = (suffix: string) => this.#dir.file(`${serial}.${suffix}`);
    const rows = (wish.revoked ?? []).map((hex) => `R\t400101000000Z\t260101000000Z\t${hex}\tunknown\t/CN=${hex}\n`);
    writeFileSync(file('index'), rows.join(''));
    writeFileSync(file('number'), '01\n');
    const extensions = (wish.extensions ?? ['2.5.29.99=ASN1:NULL']).join('\n');
    const ca = `[ca]\ndefault_ca=own\n[own]\ndatabase=${file('index')}\ncrlnumber=${file('number')}\n`;
    writeFileSync(file('cnf'), `${ca}[list]\n${extensions}\n${wish.sections ?? ''}`);
    const { fromMs = Date.now() - DAY_MS, toMs = Date.now() + 30 * DAY_MS } = wish;
    const times = ['-crl_lastupdate', opensslTime(fromMs), '-crl_nextupdate', opensslTime(toMs)];
    const key = ['-cert', issuer.certFile, '-keyfile', issuer.keyFile, '-md', wish.digest ?? 'sha256'];
    const args = ['ca', '-gencrl', '-config', file('cnf'), '-crlexts', 'list', ...key, ...times, '-out', file('pem')];
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    execFileSync('openssl', ['crl', '-in', file('pem'), '-outform', 'DER', '-out', file('crl')], { stdio: 'ignore' });
    return Uint8Array.from(readFileSync(file('crl')));
  }

  /** DER. */
  certificate(wish: CertificateWish, self?: TestAuthority): Uint8Array {
    serial += 1;
    const file = (suffix: string) => this.#dir.file(`${serial}.${suffix}`);
    writeFileSync(file('pub'), wish.publicKey.export({ format: 'pem', type: 'spki' }));
    writeFileSync(file('cnf'), `[v3]\n${wish.extensions.join('\n')}\n${wish.sections ?? TPM_NAME_SECTION}`);
    const signer =
      self === undefined && wish.issuer !== undefined
        ? ['-CA', wish.issuer.certFile, '-CAkey', wish.issuer.keyFile]
        : ['-signkey', self?.keyFile ?? ''];
    const args = [
      'x509',
      '-new',
      '-subj',
      wish.subject ?? '/CN=ek',
      '-days',
      String(wish.days ?? 3_650),
      '-set_serial',
      String(serial),
    ];
    const digest = [`-${wish.digest ?? 'sha256'}`];
    const pub = self === undefined ? ['-force_pubkey', file('pub')] : [];
    const ext = ['-extfile', file('cnf'), '-extensions', 'v3', '-outform', 'DER', '-out', file('der')];
    execFileSync('openssl', [...args, ...pub, ...signer, ...digest, ...ext], { stdio: ['ignore', 'ignore', 'pipe'] });
    return Uint8Array.from(readFileSync(file('der')));
  }
}

/** YYYYMMDDHHMMSSZ. */
function opensslTime(ms: number): string {
  return `${new Date(ms).toISOString().replace(/[-:T]|\.\d+Z/g, '')}Z`;
}

export function publicKeyOfPoint(curve: 'P-256' | 'P-384', x: Uint8Array, y: Uint8Array): KeyObject {
  const url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  return createPublicKey({ key: { kty: 'EC', crv: curve, x: url(x), y: url(y) }, format: 'jwk' });
}
