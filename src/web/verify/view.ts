/**
 * From a verdict to what is drawn: pure, so that its words are tested without a browser. Says no more than the verdict;
 * entries of a log count as proved only where a finding covers them and nothing refutes the file.
 */
import { ANCHOR_REASONS } from '../../evidence/anchor/reasons.ts';
import { LEVELS } from '../../evidence/verify/policy.ts';
import { VERIFY_REASONS, type VerifyReason } from '../../evidence/verify/reasons.ts';
import type { LogFinding, Verdict } from '../../evidence/verify/verdict.ts';
import { decisionView } from './decision-view.ts';
import type { Drawing, DrawnEntry } from './drawing.ts';
import { entryViews } from './entry-view.ts';
import { LEVEL_SHORT, LEVEL_TEXTS, levelText, reachedViews } from './level-words.ts';
import type { CoverageView, FindingView, LevelStep, LogView, Row, View } from './view-types.ts';

const HEADLINES = { verified: 'Verified', refuted: 'Refuted', cannot_tell: 'Cannot tell' } as const;
const KINDS = { batch: 'Batch', export: 'Export', bundle: 'Bundle' } as const;

/** What a reader may do where the file is not refuted and yet nothing can be told. */
const ADVICE: Readonly<Partial<Record<VerifyReason, string>>> = {
  no_trust: 'Give a trust policy, or the verifier key of the log: a file cannot vouch for itself.',
  unattributed: 'Check that this is the right file, and that the trust policy names the log that you mean.',
  unknown_log: 'Ask the operator of this gateway for a trust policy that names this log or its enrolment service.',
  bundle_unsealed: 'Ask its maker for the sealed bundle, or look for the entries in the log itself.',
  below_least_level: 'See below what is missing for a higher level.',
  parked: 'Use a newer edition of this page.',
};

const NO_EVIDENCE =
  'Nothing in this file can be read as a bundle, a batch or an export: check that it is the right file, and whole.';

export function viewOf(
  verdict: Verdict,
  drawing: Drawing,
  file: { readonly name: string; readonly size: number },
): View {
  const { outcome, reason, detail, at, kind, question, sealed, decisions: findings = [] } = verdict;
  const decisions = drawing.decisions.map((each) => decisionView(each, findings));
  const place = at === undefined ? undefined : `${kind === 'bundle' ? 'log' : 'batch'} ${at + 1} of the file`;
  // Whom to believe is no question of a file with nothing in it to be believed.
  const isEmpty = reason === 'no_trust' && decisions.length === 0 && drawing.logs.length === 0;
  const advice = reason === undefined ? undefined : isEmpty ? NO_EVIDENCE : ADVICE[reason];
  return {
    outcome,
    headline: HEADLINES[outcome],
    summary: summaryOf(verdict),
    ...(reason !== undefined && {
      reason: { name: reason, detail: detail ?? '', ...(place !== undefined && { place }) },
    }),
    ...(advice !== undefined && { advice }),
    file: `${kind === undefined ? 'File' : KINDS[kind]} ${file.name}, ${sizeText(file.size)}`,
    ...(question !== undefined && { question }),
    ...(sealed !== undefined && {
      sealed: `Sealed by ${sealed.maker} at ${sealed.issued}: nothing was taken out since.`,
    }),
    decisions,
    logs: logViews(verdict, drawing),
  };
}

function summaryOf({ outcome, reason, kind, logs }: Verdict): string {
  if (outcome === 'verified') {
    const count = logs.reduce((sum, each) => sum + countOf(each), 0);
    const what = count === 1 ? 'Its one entry is' : `All ${count.toLocaleString('en')} entries are`;
    const from =
      kind === 'bundle' ? 'in the logs that your trust names, as they were signed' : 'as their log signed them';
    return `${what} ${from}.`;
  }
  const text = reason === undefined ? '' : VERIFY_REASONS[reason].text;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function countOf({ entries: { accepted, opaque, withheld, erased = 0 } }: LogFinding): number {
  return accepted + opaque + withheld + erased;
}

/** A log that was verified; one of which only the file speaks; both in the file's order. */
function logViews(verdict: Verdict, drawing: Drawing): readonly LogView[] {
  const named = namedBy(verdict);
  const drawn = drawing.logs.map(({ origin, entries, omitted, checkpoints }, at) => {
    const parts = drawing.logs.filter((each) => each.origin === origin);
    const findings = verdict.logs.filter((each) => each.origin === origin);
    const part = drawing.logs.slice(0, at).filter((each) => each.origin === origin).length;
    // Where one of the parts did not verify, which of them a finding is of is not said.
    const finding = findings.length === parts.length ? findings[part] : undefined;
    const view = logView(verdict, origin, finding, { entries, omitted, checkpoints, named });
    const title = parts.length === 1 ? view.title : `${view.title}, part ${part + 1} of ${parts.length}`;
    return { ...view, title, key: `${origin} ${part}` };
  });
  const others = verdict.logs.filter((each) => !drawing.logs.some(({ origin }) => origin === each.origin));
  const bare = { entries: [], omitted: 0, checkpoints: [], named };
  return [...drawn, ...others.map((finding) => logView(verdict, finding.origin, finding, bare))];
}

interface Drawn {
  readonly entries: readonly DrawnEntry[];
  readonly omitted: number;
  readonly checkpoints: readonly number[];
  readonly named: ReadonlyMap<string, readonly string[]>;
}

function logView(verdict: Verdict, origin: string, finding: LogFinding | undefined, drawn: Drawn): LogView {
  const [, gateway = origin, number = ''] = origin.split('/');
  const last = drawn.entries.at(-1);
  const isCovered = finding !== undefined && (last === undefined || last.n < finding.end);
  const isProved = verdict.outcome !== 'refuted' && isCovered;
  return {
    key: origin,
    origin,
    title: `Gateway ${gateway}${number === '' ? '' : `, log ${number.split('-')[0]}`}`,
    ...(finding !== undefined && { finding: findingView(finding, drawn.checkpoints) }),
    isProved,
    entries: entryViews(origin, drawn.entries, drawn.named).map((entry) => {
      const level = isProved ? finding?.levels?.find(({ entries }) => entries.includes(entry.n))?.level : undefined;
      return level === undefined ? entry : { ...entry, level: { level, text: LEVEL_SHORT[level] } };
    }),
    omitted: drawn.omitted,
  };
}

function namedBy({ decisions = [] }: Verdict): ReadonlyMap<string, readonly string[]> {
  const named = new Map<string, string[]>();
  for (const { decisionId, entries } of decisions) {
    for (const entry of entries) named.set(entry, [...(named.get(entry) ?? []), decisionId]);
  }
  return named;
}

function findingView(log: LogFinding, checkpoints: readonly number[]): FindingView {
  const { level, levels = [], tailLevel, tail, receipts, missing, anchors } = log;
  return {
    level,
    levelText: levelText(level),
    ladder: ladderOf(log),
    reached: reachedViews(levels),
    ...(tailLevel !== undefined && { tail: `The last ${tail} entries reach ${tailLevel}: no anchor covers them yet.` }),
    rows: rowsOf(log),
    coverage: coverageOf(log, checkpoints),
    anchors: anchorRows(log),
    continuity: anchors.continuity,
    receipts: receipts.map(({ witness, roles, size, timestampS }) => ({
      witness,
      roles: roles.join(', '),
      text: `cosigned size ${size} at ${new Date(timestampS * 1_000).toISOString()}`,
    })),
    missing,
  };
}

/** `whyNotHigher` begins each line with the level that it is about. */
function ladderOf({ level, whyNotHigher }: LogFinding): readonly LevelStep[] {
  return LEVELS.map((each, i) => {
    const why = whyNotHigher.find((line) => line.startsWith(`${each}: `))?.slice(each.length + 2);
    const isReached = i <= LEVELS.indexOf(level);
    return { level: each, text: LEVEL_TEXTS[each], isReached, ...(!isReached && why !== undefined && { why }) };
  });
}

const SOURCES = {
  policy: 'the policy or key given',
  record: 'an enrolment record',
  successor: 'the log before, by a successor statement',
} as const;

function rowsOf(log: LogFinding): readonly Row[] {
  const { entries, root, end, first, claimedTime, believed, vouchedBy, predecessor, closed } = log;
  const { accepted, opaque, withheld, erased = 0 } = entries;
  const counts = [`${accepted} accepted`];
  if (opaque > 0) counts.push(`${opaque} of unknown kind`);
  if (withheld > 0) counts.push(`${withheld} withheld`);
  if (erased > 0) counts.push(`${erased} erased`);
  const record = believed.record === undefined ? '' : ` (${believed.record.hash} of ${believed.record.service})`;
  const tpm = believed.tpm === undefined ? 'nothing is said of its TPM' : `its TPM from ${SOURCES[believed.tpm]}`;
  return [
    { label: 'Entries', value: counts.join(', ') },
    { label: 'Tree', value: `size ${end}${first > 0 ? `, entries from ${first} on` : ''}` },
    { label: 'Root', value: root },
    ...(claimedTime === undefined
      ? []
      : [{ label: 'Time claimed', value: `${claimedTime.from} to ${claimedTime.to} (wall clocks are claims)` }]),
    {
      label: 'Believed',
      value: `key from ${SOURCES[believed.key]}${vouchedBy === undefined ? '' : ` of ${vouchedBy}`}; ${tpm}${record}`,
    },
    ...(predecessor === undefined ? [] : [{ label: 'Follows', value: predecessor.origin }]),
    ...(closed === undefined ? [] : [{ label: 'Closed', value: 'a verified successor names this log as ended' }]),
  ];
}

function coverageOf(log: LogFinding, checkpoints: readonly number[]): CoverageView {
  const { end, first, anchors, receiptedSize } = log;
  const parts = [
    `Tree of ${end} entries`,
    anchors.size === 0 ? 'none anchored' : `anchored below ${anchors.size}`,
    receiptedSize === 0 ? 'stored by nobody that the policy names' : `stored below ${receiptedSize}`,
  ];
  return {
    size: Math.max(end, 1),
    first,
    end,
    anchored: Math.min(anchors.size, end),
    receipted: Math.min(receiptedSize, end),
    checkpoints: checkpoints.filter((size) => size <= end),
    text: `${parts.join('; ')}.`,
  };
}

function anchorRows({ anchors }: LogFinding): readonly Row[] {
  const { found, verified, newest, refused } = anchors;
  if (found === 0) return [];
  return [
    { label: 'Anchors', value: `${found} found, ${verified} verified` },
    ...(newest === undefined
      ? []
      : [
          { label: 'Newest', value: `counter ${newest.counter} over size ${newest.size}` },
          {
            label: 'TPM then',
            value: `clock ${newest.clockMs} ms${newest.safe ? '' : ' (not safe)'}, ${newest.resets} resets, ${newest.restarts} restarts`,
          },
        ]),
    ...refused.map(({ index, reason }) => ({
      label: `Entry ${index}`,
      value: `counts for nothing: ${reason}, ${ANCHOR_REASONS[reason]}`,
    })),
  ];
}

export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
