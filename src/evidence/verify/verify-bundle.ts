/**
 * The verdict over a bundle: every checkpoint signed, neighbours consistent, every entry included and at its place.
 */
import { base64, utf8 } from '../../base/bytes.ts';
import type { Checkpoint } from '../log/checkpoint.ts';
import { verifyLogNote } from '../log/note.ts';
import { verifyConsistency, verifyInclusion } from '../log/proofs.ts';
import { leafHash } from '../log/tree.ts';
import { AnchorsTogether, LogAnchors, refutedBy } from './anchors.ts';
import { assuranceOf } from './assurance.ts';
import { type Bundle, type BundleLog, parseBundle } from './bundle.ts';
import { ExpectedCheckpoints } from './checkpoints.ts';
import { isRecord } from './enrolled.ts';
import { EntryTally } from './entry-tally.ts';
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
  const believed = trustWith(context, bundle);
  if ('reason' in believed) return failed(believed, [], 'bundle');
  const findings: LogFinding[] = [];
  const failures: Failure[] = [];
  const together = new AnchorsTogether();
  bundle.logs.forEach((section, at) => {
    const result = verifySection(context, believed, section, together);
    if ('reason' in result) failures.push({ ...result, at });
    else {
      findings.push(result.finding);
      const open = refutedBy(result.finding.anchors.continuity) ?? result.open;
      if (open !== undefined) failures.push({ ...open, at });
    }
  });
  context.together?.take(together);
  const refuted = together.refuted();
  if (refuted !== undefined) failures.push(refuted);
  // A refutation weighs more than what cannot be told of another log.
  const worst = failures.find((each) => VERIFY_REASONS[each.reason].outcome === 'refuted') ?? failures[0];
  if (worst !== undefined) return { ...failed(worst, findings, 'bundle'), question: bundle.question };
  return concluded('bundle', findings, context.policy, bundle.question);
}

function trustWith(context: VerifyContext, bundle: Bundle): ReadonlyMap<string, BelievedLog> | Failure {
  const { successors, enrolment } = bundle;
  const { crypto, policy, enrolments, badRecords: known } = context;
  if ((successors.length === 0 && enrolment === undefined) || context.single !== undefined) return context.logs;
  const records = [...enrolments.filter(isRecord), ...(enrolment === undefined ? [] : [enrolment])];
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

interface SectionResult {
  readonly finding: LogFinding;
  /** What remains open although all verified. */
  readonly open?: Failure;
}

function verifySection(
  context: VerifyContext,
  logs: ReadonlyMap<string, BelievedLog>,
  section: BundleLog,
  together: AnchorsTogether,
): SectionResult | Failure {
  const log = logs.get(section.log);
  if (log === undefined || (context.single !== undefined && log !== context.single)) {
    const reason = context.single === undefined ? 'unknown_log' : 'bundle_log';
    return { reason, detail: `the bundle speaks of ${section.log.slice(0, 120)}` };
  }
  const expected = new ExpectedCheckpoints(context.crypto, log, context.policy.witnesses);
  const roots = new Map<number, Uint8Array>();
  for (const other of context.others) expected.addOther(other);
  const anchors = new LogAnchors(context.crypto, log, (size) => roots.get(size));
  for (const receipt of context.receipts) {
    expected.addReceipt(receipt);
    anchors.addBeside(receipt);
  }
  const checkpoints = verifyCheckpoints(context, log, section, expected, anchors);
  if ('reason' in checkpoints) return checkpoints;
  for (const { size, root } of checkpoints) roots.set(size, root);
  const newest = checkpoints.at(-1);
  if (newest === undefined) return { reason: 'bundle', detail: 'no checkpoint' };
  const tally = new EntryTally(section.log);
  const failure = verifyEntries(context, section, checkpoints, tally, anchors);
  if (failure !== undefined) return failure;
  const receipts = newestReceipts(expected.receipts);
  together.add(log, anchors);
  const anchored = anchors.finding();
  // The level is that of the entries in question; without any, that of the newest anchored checkpoint.
  const asked = { first: 0, end: lastIndexOf(section) + 1 || anchored.size || newest.size, tailAllowed: false };
  const { first, end } = section.searched;
  const finding: LogFinding = {
    origin: section.log,
    first: 0,
    end: newest.size,
    root: base64(newest.root),
    ...tally.finding(),
    ...assuranceOf({ log, anchors: anchored, receipts, ...asked }),
    anchors: anchored,
    receipts,
    receiptedSize: receiptedSizeOf(receipts),
    tail: newest.size - anchored.size,
    missing: [
      `entries other than those in the bundle; its maker says that he searched ${first} to ${end}`,
      ...context.badRecords.map((why) => `an enrolment record counts for nothing: ${why}`),
    ],
    ...(log.closed !== undefined && { closed: true as const }),
    believed: believedFrom(log),
    ...(log.vouchedBy !== undefined && { vouchedBy: log.vouchedBy }),
  };
  const open = expected.conclude(newest.size);
  return open === undefined ? { finding } : { finding, open };
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

function verifyEntries(
  { crypto }: VerifyContext,
  section: BundleLog,
  checkpoints: readonly Checkpoint[],
  tally: EntryTally,
  anchors: LogAnchors,
): Failure | undefined {
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
    const leaf = utf8(entry.leaf);
    const claim = { index, size: checkpoint.size, root: checkpoint.root, proof: hashes };
    if (!verifyInclusion(crypto, { ...claim, leafHash: leafHash(crypto, leaf) })) {
      return { reason: 'bundle_proof', detail: `entry ${index} is not proved to be in the tree of ${checkpoint.size}` };
    }
    // A leaf of more than 4,096 bytes is refused here as it is in a batch.
    const checked = tally.add(index, leaf);
    if (!checked.ok) {
      return { reason: checked.reason, detail: `${checked.detail} (${entry.leaf.length} characters)` };
    }
    anchors.entry(index, leaf, checked.value.use);
  }
  return undefined;
}

/** -1 when the bundle holds no entry of this log. */
function lastIndexOf(section: BundleLog): number {
  const proof = parseTlogProof(section.entries.at(-1)?.proof ?? '');
  return proof.ok ? proof.value.index : -1;
}
