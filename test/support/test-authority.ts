/** A certificate authority for a test, by OpenSSL: P-256, made when the test runs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface IssuedCertificate {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface TestAuthority {
  readonly caPath: string;
  /** `names`: subject alternative names, such as `DNS:localhost`. With `expired` it ended yesterday. */
  issue(
    name: string,
    options?: { readonly names?: string; readonly expired?: boolean; readonly subject?: string },
  ): IssuedCertificate;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export function makeAuthority(dir: string, label: string): TestAuthority {
  const folder = join(dir, label);
  mkdirSync(folder);
  const file = (name: string): string => join(folder, name);
  const [caPath, caKey] = [file('ca.pem'), file('ca.key')];
  openssl('req', '-x509', ...KEY, '-days', '2', '-subj', `/CN=${label} CA`, '-keyout', caKey, '-out', caPath);
  let serial = 1;
  return {
    caPath,
    issue(name, { names, expired = false, subject = name } = {}) {
      const issued = { certPath: file(`${name}.pem`), keyPath: file(`${name}.key`) };
      const [request, extensions] = [file(`${name}.csr`), file(`${name}.ext`)];
      serial += 1;
      writeFileSync(extensions, `basicConstraints=CA:FALSE\n${names === undefined ? '' : `subjectAltName=${names}\n`}`);
      openssl('req', '-new', ...KEY, '-subj', `/CN=${subject}`, '-keyout', issued.keyPath, '-out', request);
      const by = ['-CA', caPath, '-CAkey', caKey, '-set_serial', `${serial}`, '-days', expired ? '-1' : '2'];
      openssl('x509', '-req', '-in', request, ...by, '-extfile', extensions, '-out', issued.certPath);
      return issued;
    },
  };
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore', timeout: 30_000 });
}
