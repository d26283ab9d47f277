/**
 * The verdict over a bundle: every checkpoint signed, neighbours consistent, every entry included and at its place.
 */
import { base64, utf8 } from '../../base/bytes.ts';
import type { Checkpoint } from '../log/checkpoint.ts';
import { verifyLogNote } from '../log/note.ts';
import { verifyConsistency, verifyInclusion } from '../log/proofs.ts';
import { leafHash } from '../log/tree.ts';
import { glancedType, LogAnchors, refutedBy } from './anchors.ts';
import { AnchorsTogether } from './anchors-together.ts';
import { assuranceOf, isSealed } from './assurance.ts';
import { type Bundle, type BundleLog, parseBundle } from './bundle.ts';
import { verifyDecisions } from './bundle-decisions.ts';
import { needsSeal, verifySeal } from './bundle-seal.ts';
import { ExpectedCheckpoints, type OtherCheckpoint } from './checkpoints.ts';
import { isRecord } from './enrolled.ts';
import { byLevel, type EntriesAt, provedStretch, type TrustedRange } from './entry-levels.ts';
import { EntryTally } from './entry-tally.ts';
import type { Level } from './policy.ts';
import { VERIFY_REASONS } from './reasons.ts';
import { parseTlogProof } from './tlog-proof.ts';
import { type BelievedLog, believedLogs, mentionsBelieved } from './trust.ts';
import {
  believedFrom,
  concluded,
  type Failure,
  failed,
  type LogFinding,
  newestReceipts,
  receiptedSizeOf,
  type SeenReceipt,
  type Verdict,
} from './verdict.ts';
import type { VerifyContext } from './verify-export.ts';

export function verifyBundle(context: VerifyContext, bytes: Uint8Array): Verdict {
  const parsed = parseBundle(bytes);
  if (!parsed.ok) {
    const isOurs = context.single !== undefined || mentionsBelieved(bytes, context.logs);
    const reason = isOurs ? parsed.reason : 'unattributed';
    return failed({ reason, detail: parsed.detail }, [], 'bundle');
  }
  const bundle = parsed.value;
  const makers = context.policy.makers ?? [];
  const seal = verifySeal(context.crypto, bundle, makers);
  if (seal !== undefined && 'reason' in seal) return failed(seal, [], 'bundle');
  const believed = trustWith(context, bundle);
  if ('reason' in believed) return failed(believed, [], 'bundle');
  const isMade = seal !== undefined;
  const findings: LogFinding[] = [];
  const failures: Failure[] = [];
  const together = new AnchorsTogether();
  const held = new Map<string, Level>();
  const parts: OtherCheckpoint[] = [];
  const proved: ProvedSection[] = [];
  bundle.logs.forEach((section, at) => {
    const result = proveSection(context, believed, section, parts);
    if ('reason' in result) failures.push({ ...result, at });
    else {
      proved.push({ ...result, at });
      together.add(result.log, result.anchors);
    }
  });
  // What one log shows of a TPM counts for the others of it: so all are read before any is judged.
  together.join((origin, size) => rootsAt(proved, origin, size));
  const around = together.with(context.around);
  for (const each of proved) {
    const { section, log, indices, at } = each;
    each.anchors.surround(around.around(log));
    const result = judgeSection(context, each, isMade);
    const twice = indices.find((index) => held.has(`${section.log}#${index}`));
    if (twice !== undefined) {
      failures.push({ reason: 'bundle', detail: `entry ${twice} stands in two parts of ${section.log}`, at });
    }
    for (const index of indices) held.set(`${section.log}#${index}`, result.finding.level);
    for (const { level, entries } of result.finding.levels ?? []) {
      for (const index of entries) held.set(`${section.log}#${index}`, level);
    }
    findings.push(withParts(result.finding, bundle));
    const open = refutedBy(result.finding.anchors.continuity) ?? result.open;
    if (open !== undefined) failures.push({ ...open, at });
  }
  context.together?.take(together);
  const refuted = together.refuted();
  if (refuted !== undefined) failures.push(refuted);
  const decisions = verifyDecisions(context.crypto, bundle.decisions, held, context.decideAgain);
  // What a decision names cannot be looked for in a log that did not verify.
  if (!decisions.ok && failures.length === 0) failures.push(decisions);
  if (!isMade && needsSeal(bundle, makers)) {
    failures.push({ reason: 'bundle_unsealed', detail: 'expected the seal of a maker whom the policy names' });
  }
  // A refutation weighs more than what cannot be told of another log.
  const worst = failures.find((each) => VERIFY_REASONS[each.reason].outcome === 'refuted') ?? failures[0];
  if (worst !== undefined) return { ...failed(worst, findings, 'bundle'), question: bundle.question };
  return {
    ...concluded('bundle', findings, context.policy, bundle.question),
    ...(seal !== undefined && { sealed: seal }),
    ...(decisions.ok && decisions.value.length > 0 && { decisions: decisions.value }),
  };
}

function trustWith(context: VerifyContext, bundle: Bundle): ReadonlyMap<string, BelievedLog> | Failure {
  const { successors, enrolments: own } = bundle;
  const { crypto, policy, enrolments, badRecords: known } = context;
  if ((successors.length === 0 && own.length === 0) || context.single !== undefined) return context.logs;
  const records = [...enrolments.filter(isRecord), ...own];
  const beside = enrolments.filter((each) => !isRecord(each));
  // Statements from beside the file are none of the bundle's: what is false in them does not refute it.
  const others = believedLogs(crypto, policy, { statements: beside, records }).badStatements;
  const all = believedLogs(crypto, policy, { statements: [...successors, ...beside], records });
  const [why] = all.badRecords.slice(known.length);
  if (why !== undefined) return { reason: 'bundle_enrolment', detail: why };
  const badStatements = all.badStatements - others;
  if (badStatements <= 0) return all.logs;
  return { reason: 'bundle_statement', detail: `${badStatements} statements of believed logs do not verify` };
}

/** A log, or a part of one, that was verified: what it shows of anchors is not judged yet. */
interface ProvedSection {
  readonly section: BundleLog;
  readonly log: BelievedLog;
  readonly expected: ExpectedCheckpoints;
  readonly anchors: LogAnchors;
  readonly tally: EntryTally;
  readonly newest: Checkpoint;
  readonly roots: ReadonlyMap<number, Uint8Array>;
  /** Of the entries that were proved, and of those that are asked about. */
  readonly indices: readonly number[];
  readonly asked: readonly number[];
  readonly askedEnd: number;
  readonly at: number;
}

function rootsAt(proved: readonly ProvedSection[], origin: string, size: number): readonly Uint8Array[] {
  return proved.flatMap(({ section, roots }) => {
    const root = section.log === origin ? roots.get(size) : undefined;
    return root === undefined ? [] : [root];
  });
}

/** `parts`: checkpoints of the sections before; those of this one are added. */
function proveSection(
  context: VerifyContext,
  logs: ReadonlyMap<string, BelievedLog>,
  section: BundleLog,
  parts: OtherCheckpoint[],
): Omit<ProvedSection, 'at'> | Failure {
  const log = logs.get(section.log);
  if (log === undefined || (context.single !== undefined && log !== context.single)) {
    const reason = context.single === undefined ? 'unknown_log' : 'bundle_log';
    return { reason, detail: `the bundle speaks of ${section.log.slice(0, 120)}` };
  }
  const expected = new ExpectedCheckpoints(context.crypto, log, context.policy.witnesses);
  const roots = new Map<number, Uint8Array>();
  for (const other of [...context.others, ...parts]) expected.addOther(other);
  const anchors = new LogAnchors(context.crypto, log, (size) => roots.get(size));
  for (const receipt of context.receipts) {
    expected.addReceipt(receipt);
    anchors.addBeside(receipt);
  }
  const checkpoints = verifyCheckpoints(context, log, section, expected, anchors);
  if ('reason' in checkpoints) return checkpoints;
  for (const { size, root } of checkpoints) {
    roots.set(size, root);
    parts.push({ origin: section.log, size, root });
  }
  const joined = verifyTrees(context, section, checkpoints, expected, anchors);
  if (joined !== undefined) return joined;
  for (const { size, root } of section.trees) roots.set(size, root);
  const newest = checkpoints.at(-1);
  if (newest === undefined) return { reason: 'bundle', detail: 'no checkpoint' };
  const tally = new EntryTally(section.log);
  const entries = verifyEntries(context, section, checkpoints, tally, anchors);
  if ('reason' in entries) return entries;
  return { section, log, expected, anchors, tally, newest, roots, ...entries };
}

const UNSEALED = 'nobody whom the policy names sealed this bundle: entries may have been taken out of it';
/** Whoever hands on a bundle can leave the hash of an entry that he has. */
const UNSEALED_HASHES =
  "what entries said of which there is a hash alone: that they were erased is nobody's signed word";

interface SectionResult {
  readonly finding: LogFinding;
  /** What remains open although all verified. */
  readonly open?: Failure;
}

function judgeSection(context: VerifyContext, proved: ProvedSection, isMade: boolean): SectionResult {
  const { section, log, expected, anchors, tally, newest } = proved;
  const receipts = newestReceipts(expected.receipts);
  const anchored = anchors.finding();
  // The level is that of the entries in question; without any, that of the newest anchored checkpoint.
  const askedEnd = proved.askedEnd || anchored.size || newest.size;
  const trusted = expected.trusted(newest.size);
  const asked = { first: 0, end: askedEnd, trusted, tailAllowed: false, covering: anchors.covering(askedEnd) };
  const { first, end } = section.searched;
  const levels = levelsOf({ log, anchors, receipts, trusted, end: newest.size }, proved.asked);
  const finding: LogFinding = {
    origin: section.log,
    first: 0,
    end: newest.size,
    root: base64(newest.root),
    ...tally.finding(),
    ...assuranceOf({ log, anchors: anchored, receipts, ...asked }),
    ...(levels.length > 0 && { levels }),
    anchors: anchored,
    receipts,
    receiptedSize: receiptedSizeOf(receipts),
    tail: newest.size - anchored.size,
    missing: [
      `entries other than those in the bundle; its maker says that he searched ${first} to ${end}`,
      ...(isMade ? [] : [UNSEALED, ...(tally.finding().entries.erased === undefined ? [] : [UNSEALED_HASHES])]),
      ...(expected.receiptsRefused > 0
        ? [`${expected.receiptsRefused} receipts do not verify and count for nothing`]
        : []),
      ...context.badRecords.map((why) => `an enrolment record counts for nothing: ${why}`),
    ],
    ...(log.closed !== undefined && { closed: true as const }),
    believed: believedFrom(log),
    ...(log.vouchedBy !== undefined && { vouchedBy: log.vouchedBy }),
  };
  const open = expected.conclude(newest.size);
  return { finding, ...(open !== undefined && { open }) };
}

interface Section {
  readonly log: BelievedLog;
  readonly anchors: LogAnchors;
  readonly receipts: readonly SeenReceipt[];
  readonly trusted: TrustedRange | undefined;
  readonly end: number;
}

/** Of each by itself: what one bundle says of an entry does not hang on which others are in it. */
function levelsOf({ log, anchors, receipts, trusted, end }: Section, asked: readonly number[]): readonly EntriesAt[] {
  const independent = receipts.filter(({ roles }) => roles.includes('independent'));
  const cosigned = Math.max(0, ...independent.map(({ size }) => size));
  const stretch = provedStretch({ first: 0, end, anchors: anchors.sizes(), cosigned });
  return byLevel(asked, { sealed: isSealed(log), stretches: [stretch], ...(trusted !== undefined && { trusted }) });
}

function withParts(finding: LogFinding, { logs }: Bundle): LogFinding {
  const parts = logs.filter(({ log }) => log === finding.origin).length;
  if (parts === 1) return finding;
  const apart = `entries between ${parts} parts of this log: nothing shows that they are of one tree`;
  return { ...finding, missing: [...finding.missing, apart] };
}

function verifyCheckpoints(
  { crypto }: VerifyContext,
  log: BelievedLog,
  section: BundleLog,
  expected: ExpectedCheckpoints,
  anchors: LogAnchors,
): readonly Checkpoint[] | Failure {
  const checkpoints: Checkpoint[] = [];
  for (const { note, consistency } of section.checkpoints) {
    const verified = verifyLogNote(crypto, utf8(note), log.vkey);
    if (!verified.ok) return { reason: 'bundle_checkpoint', detail: verified.detail };
    const { checkpoint } = verified.value;
    const before = checkpoints.at(-1);
    if (before !== undefined && before.size >= checkpoint.size) {
      return { reason: 'bundle_consistency', detail: 'the checkpoints are not ascending' };
    }
    const claim = before && { oldSize: before.size, oldRoot: before.root, newSize: checkpoint.size };
    if (claim && !verifyConsistency(crypto, { ...claim, newRoot: checkpoint.root, proof: consistency })) {
      return { reason: 'bundle_consistency', detail: `no proof from size ${claim.oldSize} to ${checkpoint.size}` };
    }
    const { note: whole } = verified.value;
    anchors.reached(checkpoint.size, checkpoint.root);
    const failure = expected.found(checkpoint.size, checkpoint.root) ?? expected.note(whole) ?? anchors.note(whole);
    if (failure !== undefined) return failure;
    checkpoints.push(checkpoint);
  }
  return checkpoints;
}

/** Trees without a note of the log: each one the beginning of the first checkpoint that is larger. */
function verifyTrees(
  { crypto }: VerifyContext,
  { trees }: BundleLog,
  checkpoints: readonly Checkpoint[],
  expected: ExpectedCheckpoints,
  anchors: LogAnchors,
): Failure | undefined {
  let before = 0;
  for (const { size, root, consistency } of trees) {
    const next = checkpoints.find((each) => each.size >= size);
    if (size <= before || next === undefined || next.size === size) {
      return { reason: 'bundle_consistency', detail: `a tree of ${size} does not stand between its checkpoints` };
    }
    before = size;
    const claim = { oldSize: size, oldRoot: root, newSize: next.size, newRoot: next.root };
    if (!verifyConsistency(crypto, { ...claim, proof: consistency })) {
      return { reason: 'bundle_consistency', detail: `no proof from size ${size} to ${next.size}` };
    }
    anchors.reached(size, root);
    const failure = expected.found(size, root);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

interface ProvedEntries {
  readonly indices: readonly number[];
  /** Those that are asked about. */
  readonly asked: readonly number[];
  /** Behind the last of them; 0 when there is none. */
  readonly askedEnd: number;
}

function verifyEntries(
  { crypto }: VerifyContext,
  section: BundleLog,
  checkpoints: readonly Checkpoint[],
  tally: EntryTally,
  anchors: LogAnchors,
): ProvedEntries | Failure {
  const indices: number[] = [];
  const asked: number[] = [];
  let next = 0;
  for (const entry of section.entries) {
    const proof = parseTlogProof(entry.proof);
    if (!proof.ok) return { reason: 'bundle_proof', detail: proof.detail };
    const { index, hashes, note } = proof.value;
    const checkpoint = checkpoints[section.checkpoints.findIndex((each) => each.note === note)];
    if (checkpoint === undefined)
      return { reason: 'bundle_proof', detail: 'a proof leads to a note that is not in the bundle' };
    if (index < next) return { reason: 'bundle_proof', detail: 'the entries are not ascending' };
    next = index + 1;
    const { body } = entry;
    const leaf = 'leaf' in body ? utf8(body.leaf) : undefined;
    const claim = { index, size: checkpoint.size, root: checkpoint.root, proof: hashes };
    const hash = 'hash' in body ? body.hash : leafHash(crypto, utf8(body.leaf));
    if (!verifyInclusion(crypto, { ...claim, leafHash: hash })) {
      return { reason: 'bundle_proof', detail: `entry ${index} is not proved to be in the tree of ${checkpoint.size}` };
    }
    indices.push(index);
    // An anchor proves what is below it, and is in no question itself.
    if (leaf === undefined || glancedType(leaf) !== 'anchor.made') asked.push(index);
    if (leaf === undefined) {
      tally.erased(index);
      anchors.erased(index);
      continue;
    }
    // A leaf of more than 4,096 bytes is refused here as it is in a batch.
    const checked = tally.add(index, leaf);
    if (!checked.ok) {
      return { reason: checked.reason, detail: `${checked.detail} (${leaf.length} bytes)` };
    }
    anchors.entry(index, leaf, checked.value.use);
  }
  return { indices, asked, askedEnd: (asked.at(-1) ?? -1) + 1 };
}
