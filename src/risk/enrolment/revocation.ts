/**
 * The vendors' lists of revoked certificates, from a directory that an operator fills: this service fetches nothing.
 *
 * A list counts when the issuer of the certificate in question signed it and may sign lists. What the newest one of its
 * scope revokes is revoked, also when it is no longer current. `require`: each certificate below a root needs a current
 * list that covers it. `if_present`: without one it is believed.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { type CertificateFacts, KEY_USAGE } from './certificate.ts';
import { CRL_BYTES_MAX, type Crl, readCrl } from './crl.ts';
import type { EnrolRefusal } from './reasons.ts';

export const CRL_CHECKS = ['require', 'if_present'] as const;
export type CrlCheck = (typeof CRL_CHECKS)[number];

const FILES_MAX = 1_000;
const TOTAL_BYTES_MAX = 134_217_728;
const BLOCK = /-----BEGIN X509 CRL-----\r?\n([A-Za-z0-9+/=\r\n]*?)-----END X509 CRL-----/g;
/** A list that was made a moment ago by a clock that is ahead of ours. */
const AHEAD_MS = 300_000;

export class RevocationLists {
  readonly #check: CrlCheck;
  readonly #byIssuer = new Map<string, Crl[]>();
  /** By list and issuer's certificate: a signature is verified once. */
  readonly #verified = new WeakMap<Crl, Map<string, boolean>>();

  constructor(lists: readonly Crl[], check: CrlCheck) {
    this.#check = check;
    for (const list of lists) this.#byIssuer.set(list.issuer, [...(this.#byIssuer.get(list.issuer) ?? []), list]);
  }

  /** How many lists there are that are not current, for a line in the log. */
  staleCount(nowMs: number): number {
    return [...this.#byIssuer.values()].flatMap(newestOfScopes).filter((list) => !isCurrent(list, nowMs)).length;
  }

  /** `chain`: the certificate first, each followed by its issuer, the root last. */
  problem(chain: readonly CertificateFacts[], nowMs: number): EnrolRefusal | undefined {
    for (const [i, certificate] of chain.entries()) {
      const issuer = chain[i + 1];
      const problem = issuer && this.#problemOf(certificate, issuer, nowMs);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Whether a list names one of them, current or not: what was revoked stays so. */
  revokes(chain: readonly CertificateFacts[]): boolean {
    return chain.some((certificate, i) => {
      const issuer = chain[i + 1];
      return issuer !== undefined && this.#newest(issuer).some((list) => list.revoked.has(certificate.serial));
    });
  }

  #newest(issuer: CertificateFacts): readonly Crl[] {
    return newestOfScopes(
      (this.#byIssuer.get(issuer.subjectName) ?? []).filter((list) => this.#isSigned(list, issuer)),
    );
  }

  #problemOf(certificate: CertificateFacts, issuer: CertificateFacts, nowMs: number): EnrolRefusal | undefined {
    const lists = this.#newest(issuer);
    if (lists.some((list) => list.revoked.has(certificate.serial))) return 'certificate_revoked';
    if (this.#check === 'if_present') return undefined;
    const covering = lists.filter((list) => covers(list, certificate));
    if (covering.length === 0) return 'crl_missing';
    return covering.some((list) => isCurrent(list, nowMs)) ? undefined : 'crl_stale';
  }

  #isSigned(list: Crl, issuer: CertificateFacts): boolean {
    if (issuer.keyUsage !== undefined && (issuer.keyUsage & KEY_USAGE.cRLSign) === 0) return false;
    const known = this.#verified.get(list) ?? new Map<string, boolean>();
    this.#verified.set(list, known);
    const { fingerprint256 } = issuer.x509;
    const answer = known.get(fingerprint256) ?? list.isSignedBy(issuer.x509);
    known.set(fingerprint256, answer);
    return answer;
  }
}

/** Of several lists of one scope the newest: an older one may name what was only on hold. */
function newestOfScopes(lists: readonly Crl[]): readonly Crl[] {
  const newest = new Map<string, Crl>();
  for (const list of lists) {
    const known = newest.get(list.scopeKey);
    if (known === undefined || list.thisUpdateMs > known.thisUpdateMs) newest.set(list.scopeKey, list);
  }
  return [...newest.values()];
}

function isCurrent(list: Crl, nowMs: number): boolean {
  return list.thisUpdateMs <= nowMs + AHEAD_MS && nowMs <= (list.nextUpdateMs ?? 0);
}

function covers({ scope }: Crl, certificate: CertificateFacts): boolean {
  if (scope.only !== undefined && (scope.only === 'authorities') !== certificate.isAuthority) return false;
  return scope.points.length === 0 || scope.points.some((point) => certificate.crlPoints.includes(point));
}

/** Lists in DER or PEM, several in one file if they like. What is wrong is added to `problems`. */
export async function loadCrls(directory: string, problems: string[]): Promise<readonly Crl[]> {
  const found: Crl[] = [];
  let totalBytes = 0;
  for (const path of await filesIn(directory, problems)) {
    try {
      const { size } = await stat(path);
      totalBytes += size;
      if (size > CRL_BYTES_MAX) throw new Error(`expected at most ${CRL_BYTES_MAX} bytes, found ${size}`);
      if (totalBytes > TOTAL_BYTES_MAX) throw new Error(`the lists have more than ${TOTAL_BYTES_MAX} bytes together`);
      for (const der of listsIn(await readFile(path))) {
        const list = readCrl(der);
        if (typeof list === 'string') throw new Error(list);
        found.push(list);
      }
    } catch (error) {
      problems.push(`${path}: ${messageOf(error)}`);
    }
  }
  return found;
}

async function filesIn(directory: string, problems: string[]): Promise<readonly string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => !name.startsWith('.')).sort();
    if (names.length > FILES_MAX) problems.push(`${directory}: expected at most ${FILES_MAX} files`);
    return names.slice(0, FILES_MAX).map((name) => join(directory, name));
  } catch (error) {
    problems.push(messageOf(error));
    return [];
  }
}

function listsIn(bytes: Buffer): readonly Uint8Array[] {
  const blocks = [...bytes.toString('latin1').matchAll(BLOCK)];
  if (blocks.length === 0) return [Uint8Array.from(bytes)];
  return blocks.map(([, text = '']) => Uint8Array.from(Buffer.from(text, 'base64')));
}
