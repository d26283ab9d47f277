/**
 * `latchkey verify FILE FILE...`: what several files show only together. Each has its own verdict; besides, the trees that
 * they have of one log must be one, and the anchors of one TPM one history, whichever files they stand in.
 */
import { equalBytes } from '../../base/bytes.ts';
import type { ContinuityFinding } from '../../evidence/anchor/findings.ts';
import { refutedBy } from '../../evidence/verify/anchors.ts';
import { AnchorsTogether } from '../../evidence/verify/anchors-together.ts';
import type { OtherCheckpoint } from '../../evidence/verify/checkpoints.ts';
import type { VerifyReason } from '../../evidence/verify/reasons.ts';
import type { ClosedLog } from '../../evidence/verify/trust.ts';
import type { Failure, Verdict } from '../../evidence/verify/verdict.ts';
import { othersOf } from '../../evidence/verify/verify-file.ts';

export interface ReadFile {
  readonly file: string;
  readonly verdict: Verdict;
  /** What it shows of anchors. */
  readonly anchors: AnchorsTogether;
}

export interface Together {
  /** `verified`: nothing that they have in common contradicts. `cannot_tell`: see `detail`. */
  readonly outcome: Verdict['outcome'];
  readonly reason?: VerifyReason;
  readonly detail?: string;
  readonly continuity: readonly ContinuityFinding[];
}

export interface SeveralVerdicts {
  readonly outcome: Verdict['outcome'];
  readonly exitCode: Verdict['exitCode'];
  readonly files: readonly (Verdict & { readonly file: string })[];
  readonly together: Together;
}

export interface Beside {
  readonly others?: readonly OtherCheckpoint[];
  readonly around?: AnchorsTogether;
  readonly sizes?: readonly number[];
}

/** Reads a file again; undefined where that cannot be done (a pipe). */
export type Reread = (file: string, beside: Beside) => Promise<Verdict | undefined>;

const EXIT_CODES = { verified: 0, refuted: 1, cannot_tell: 2 } as const;

export async function judgeTogether(alone: readonly ReadFile[], reread: Reread): Promise<SeveralVerdicts> {
  const all = new AnchorsTogether();
  for (const { anchors } of alone) all.take(anchors);
  const continuity = all.findings();
  const { read, unread } = await readAround(alone, all, reread);
  const fork = await forkAmong(read, reread);
  const together = concludedTogether(continuity, refutedBy(continuity) ?? fork ?? unread);
  const outcomes = [...read.map(({ verdict }) => verdict.outcome), together.outcome];
  const outcome = (['refuted', 'cannot_tell'] as const).find((each) => outcomes.includes(each)) ?? 'verified';
  const files = read.map(({ file, verdict }) => ({ file, ...verdict }));
  return { outcome, exitCode: EXIT_CODES[outcome], files, together };
}

/** Logs that ended without their key, by entry 0 of the log that went on at the same gateway. */
export function closedBy(read: readonly ReadFile[]): readonly ClosedLog[] {
  const verified = read.filter(({ verdict }) => verdict.outcome === 'verified');
  return verified
    .flatMap(({ verdict }) => verdict.logs)
    .flatMap(({ origin, predecessor }) =>
      predecessor !== undefined && gatewayOf(predecessor.origin) === gatewayOf(origin) ? [predecessor] : [],
    );
}

/** Operator domain and gateway. */
function gatewayOf(origin: string): string {
  return origin.slice(0, origin.lastIndexOf('/'));
}

function concludedTogether(continuity: readonly ContinuityFinding[], found: Failure | string | undefined): Together {
  if (found === undefined) return { outcome: 'verified', continuity };
  if (typeof found === 'string') return { outcome: 'cannot_tell', detail: found, continuity };
  return { outcome: 'refuted', reason: found.reason, detail: found.detail, continuity };
}

/** Files of logs whose levels hang on what other files show: of a clear of their TPM, or of an anchor that stands there. */
async function readAround(
  alone: readonly ReadFile[],
  around: AnchorsTogether,
  reread: Reread,
): Promise<{ readonly read: readonly ReadFile[]; readonly unread?: string }> {
  const { dependent } = around;
  const read: ReadFile[] = [];
  let unread: string | undefined;
  for (const one of alone) {
    const isDependent = one.verdict.logs.some(({ origin }) => dependent.has(origin));
    const sizes = one.verdict.logs.flatMap(({ origin }) => around.sizesOver(origin));
    const again = isDependent ? await reread(one.file, { around, sizes }) : one.verdict;
    if (again === undefined) {
      unread ??= `${one.file} cannot be read a second time to be judged by what the others show of its TPM`;
    }
    read.push({ ...one, verdict: again ?? one.verdict });
  }
  return { read, ...(unread !== undefined && { unread }) };
}

/** Two roots for one size of one log; or, in words, why that cannot be told. */
async function forkAmong(read: readonly ReadFile[], reread: Reread): Promise<Failure | string | undefined> {
  let unread: string | undefined;
  for (const { file, verdict } of read) {
    const own = othersOf(verdict);
    const others = read
      .filter((other) => other.file !== file)
      .flatMap((other) => othersOf(other.verdict).map((each) => ({ file: other.file, ...each })));
    const wanted = others.filter((each) => isInside(verdict, each) && !own.some((mine) => isSame(mine, each)));
    if (wanted.length === 0) continue;
    const again = await reread(file, { others: wanted });
    const names = [...new Set(wanted.map((each) => each.file))].join(', ');
    if (again === undefined) unread ??= `${file} cannot be read a second time to be compared with ${names}`;
    if (again?.reason === 'file_fork') return { reason: 'file_fork', detail: `${file} and ${names}: ${again.detail}` };
  }
  return unread;
}

function isInside({ logs }: Verdict, { origin, size }: OtherCheckpoint): boolean {
  return logs.some((log) => log.origin === origin && size >= log.first && size <= log.end);
}

function isSame(a: OtherCheckpoint, b: OtherCheckpoint): boolean {
  return a.origin === b.origin && a.size === b.size && equalBytes(a.root, b.root);
}

const HEADLINES = {
  verified: 'TOGETHER: nothing that these files have in common contradicts',
  refuted: 'TOGETHER REFUTED',
  cannot_tell: 'TOGETHER: CANNOT TELL',
} as const;

export function describeTogether({ outcome, reason, detail, continuity }: Together): readonly string[] {
  const why = detail === undefined ? [] : [`  ${reason === undefined ? '' : `${reason}: `}${detail}`];
  const findings = continuity.map((finding) => `  anchors    ${finding.name}: ${finding.detail}`);
  return [HEADLINES[outcome], ...why, ...findings];
}
