/**
 * From files to a verdict and what is drawn of it. The verdict is that of `latchkey verify`, by the same code; reading
 * happens in pieces, so that a page that has no worker still answers, and progress can be told.
 */
import { messageOf } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { portableCrypto } from '../../evidence/portable-crypto.ts';
import { originOfNote } from '../../evidence/verify/checkpoints.ts';
import { ENROLMENT_FILE_BYTES_MAX, parseEnrolmentFile } from '../../evidence/verify/enrolled.ts';
import { POLICY_BYTES_MAX, parsePolicy, policyOfVkey, type TrustPolicy } from '../../evidence/verify/policy.ts';
import { unjoinedSizes, type VerifyOptions, verifyFile } from '../../evidence/verify/verify-file.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { DrawingCollector } from './drawing.ts';
import { type Ask, FILE_BYTES_MAX, type SourceFile, type Told } from './protocol.ts';
import { viewOf } from './view.ts';

const CHUNK_BYTES = 1 << 20;
const PROBLEMS_MAX = 20;

type Refused = Extract<Told, { kind: 'refused' }>;

/** Rejects only with what reading a file rejects with. */
export async function judge(ask: Ask, tell: (told: Told) => void): Promise<void> {
  const crypto = portableCrypto();
  const { file } = ask;
  if (file.size > FILE_BYTES_MAX) {
    const found = `expected at most ${FILE_BYTES_MAX} bytes, found ${file.size}: "latchkey verify" takes files of any length`;
    return tell({ kind: 'refused', title: `${file.name} is too large for this page`, problems: [found] });
  }
  const trust = await trustOf(crypto, ask);
  if ('kind' in trust) return tell(trust);
  const beside = await besideOf(ask.beside);
  if ('kind' in beside) return tell(beside);
  const options: VerifyOptions = {
    cryptos: [crypto],
    policy: trust.policy,
    single: ask.policy === undefined,
    ...beside,
  };
  const collector = new DrawingCollector(crypto);
  let totalBytes = file.size;
  const read = async function* (before: number, onChunk: (chunk: Uint8Array) => void): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < file.size; at += CHUNK_BYTES) {
      const chunk = new Uint8Array(await file.slice(at, Math.min(at + CHUNK_BYTES, file.size)).arrayBuffer());
      onChunk(chunk);
      yield chunk;
      tell({ kind: 'progress', doneBytes: before + at + chunk.length, totalBytes });
    }
  };
  let verdict = await verifyFile(
    read(0, (chunk) => collector.push(chunk)),
    options,
  );
  const sizes = unjoinedSizes(verdict);
  if (sizes.length > 0) {
    totalBytes = 2 * file.size;
    verdict = await verifyFile(
      read(file.size, () => undefined),
      { ...options, sizes },
    );
  }
  tell({ kind: 'judged', verdict, view: viewOf(verdict, collector.end(), file) });
}

/** Whether the bytes are a sound policy: no bundle is one, so a page can tell which of two dropped files is which. */
export function isPolicy(bytes: Uint8Array): boolean {
  return parsePolicy(portableCrypto(), bytes).ok;
}

async function trustOf(
  crypto: EvidenceCrypto,
  { policy, vkey }: Ask,
): Promise<{ readonly policy: TrustPolicy | undefined } | Refused> {
  if (policy !== undefined) {
    if (policy.size > POLICY_BYTES_MAX) {
      return notRead(policy, 'trust policy', [`expected at most ${POLICY_BYTES_MAX} bytes, found ${policy.size}`]);
    }
    const parsed = parsePolicy(crypto, await bytesOf(policy));
    if (parsed.ok) return { policy: parsed.value };
    const problems = parsed.problems.map(
      ({ path, found, expected }) => `${path}: expected ${expected}, found ${found}`,
    );
    return notRead(policy, 'trust policy', problems);
  }
  if (vkey === undefined || vkey === '') return { policy: undefined };
  const single = policyOfVkey(crypto, vkey);
  if (single !== undefined) return { policy: single };
  const expected = 'expected <origin>+<8 hex digits>+<base64> of a log key (type 0x01)';
  return { kind: 'refused', title: 'This is no verifier key of a log', problems: [expected] };
}

async function besideOf(
  files: readonly SourceFile[],
): Promise<Required<Pick<VerifyOptions, 'receipts' | 'enrolments'>> | Refused> {
  const receipts: Uint8Array[] = [];
  const enrolments: Envelope[] = [];
  for (const file of files) {
    if (file.size > ENROLMENT_FILE_BYTES_MAX) {
      return notRead(file, 'receipt or enrolment', [`expected at most ${ENROLMENT_FILE_BYTES_MAX} bytes`]);
    }
    const bytes = await bytesOf(file);
    if (originOfNote(bytes) !== undefined) {
      receipts.push(bytes);
      continue;
    }
    const parsed = parseEnrolmentFile(bytes);
    if (!parsed.ok) return notRead(file, 'receipt or enrolment', [parsed.detail]);
    enrolments.push(...parsed.value);
  }
  return { receipts, enrolments };
}

function notRead({ name }: SourceFile, what: string, problems: readonly string[]): Refused {
  return { kind: 'refused', title: `${name} is no ${what}`, problems: problems.slice(0, PROBLEMS_MAX) };
}

async function bytesOf(file: SourceFile): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(0, file.size).arrayBuffer());
}

/** What a person is told when a file cannot be read at all, for instance since it changed on the disk meanwhile. */
export function unreadable(error: unknown): Refused {
  return { kind: 'refused', title: 'The file cannot be read', problems: [messageOf(error)] };
}
