/**
 * The verdict over an export, which is one or more consecutive batches of one log. Incremental: bytes are pushed as they
 * come, and nothing of a batch is kept once it was verified, so an export of any length needs the memory of one batch.
 */

import { base64, hex } from '../../base/bytes.ts';
import { frameBatch, hintOf } from '../batch/batch.ts';
import { type VerifiedBatch, verifyBatch } from '../batch/verify-batch.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import { type Frontier, rootOf, TreeBuilder } from '../log/tree.ts';
import type { Envelope } from '../wire/envelope.ts';
import { LogAnchors, refutedBy } from './anchors.ts';
import type { AnchorsTogether } from './anchors-together.ts';
import { assuranceOf } from './assurance.ts';
import type { DecideAgain } from './bundle-decisions.ts';
import { ExpectedCheckpoints, type OtherCheckpoint } from './checkpoints.ts';
import { EntryTally } from './entry-tally.ts';
import type { TrustPolicy } from './policy.ts';
import { RecentTree } from './recent-tree.ts';
import { BatchSplitter } from './split-batches.ts';
import { type BelievedLog, mentionsBelieved } from './trust.ts';
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

export interface VerifyContext {
  readonly crypto: EvidenceCrypto;
  readonly policy: TrustPolicy;
  readonly logs: ReadonlyMap<string, BelievedLog>;
  /** One key was given instead of a policy: then whatever is not of that log is refuted. */
  readonly single?: BelievedLog;
  /** Cosigned notes from beside the file. */
  readonly receipts: readonly Uint8Array[];
  /** Records, summaries and successor statements from beside the file. */
  readonly enrolments: readonly Envelope[];
  /** Of those, records that do not count although a believed service is named: said with each log. */
  readonly badRecords: readonly string[];
  /** Tree sizes that an earlier reading could not join to their anchors. */
  readonly sizes: readonly number[];
  /** Checkpoints that other files have of the same logs. */
  readonly others: readonly OtherCheckpoint[];
  /** Takes what this file shows of anchors, to be judged with other files. */
  readonly together?: AnchorsTogether;
  /** What all files show of anchors, this one too: a clear, or an anchor of this log, may stand in another one. */
  readonly around?: AnchorsTogether;
  /** See `VerifyOptions`. */
  readonly decideAgain?: DecideAgain;
}

/** Of one log, from its first batch on. */
interface Progress {
  readonly log: BelievedLog;
  readonly expected: ExpectedCheckpoints;
  readonly tally: EntryTally;
  readonly anchors: LogAnchors;
  readonly recent: RecentTree;
  readonly first: number;
  frontier: Frontier;
  root: Uint8Array;
  /** Tree size at the box when the newest batch was sent. */
  sizeAtBox: number;
}

export class ExportVerifier {
  readonly #context: VerifyContext;
  readonly #splitter = new BatchSplitter();
  #batches = 0;
  #progress: Progress | undefined;
  #failure: Failure | undefined;

  constructor(context: VerifyContext) {
    this.#context = context;
  }

  /** False when the verdict is certain and no more bytes are needed. */
  push(chunk: Uint8Array): boolean {
    if (this.#failure === undefined) this.#splitter.push(chunk, (bytes) => this.#batch(bytes));
    return this.#failure === undefined;
  }

  end(): Verdict {
    const rest = this.#failure === undefined ? this.#splitter.rest() : new Uint8Array(0);
    if (rest.length > 0) this.#batch(rest);
    const kind = this.#batches > 1 ? 'export' : 'batch';
    const logs = this.#progress === undefined ? [] : [this.#finding(this.#progress)];
    if (this.#progress !== undefined) this.#context.together?.add(this.#progress.log, this.#progress.anchors);
    const failure = this.#failure ?? refutedBy(logs[0]?.anchors.continuity ?? []) ?? this.#open();
    return failure === undefined ? concluded(kind, logs, this.#context.policy) : failed(failure, logs, kind);
  }

  #open(): Failure | undefined {
    if (this.#progress === undefined) return { reason: 'empty', detail: 'the file holds no batch' };
    return this.#progress.expected.conclude(this.#progress.frontier.size);
  }

  #batch(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    this.#failure = this.#verify(bytes);
    this.#batches += 1;
  }

  #verify(bytes: Uint8Array): Failure | undefined {
    const at = this.#batches;
    const log = this.#progress?.log ?? this.#logOf(bytes);
    if ('reason' in log) return log;
    const { crypto } = this.#context;
    const verified = verifyBatch(crypto, bytes, {
      vkey: log.vkey,
      ...(this.#progress !== undefined && { before: this.#progress.frontier }),
      closedAccepted: log.closed !== undefined,
    });
    if (!verified.ok) return { reason: verified.reason, detail: verified.detail, at };
    const batch = verified.value;
    const progress = this.#progress ?? this.#begin(log, batch);
    this.#progress = progress;
    if (progress.anchors.reads) progress.recent.grow(batch.before, batch.leafHashes, batch.checkpoint.root);
    const failure = this.#read(batch, progress) ?? this.#compare(batch, progress);
    if (failure !== undefined) return { ...failure, at };
    progress.frontier = batch.after;
    progress.root = batch.checkpoint.root;
    progress.sizeAtBox = batch.head.size;
    return undefined;
  }

  #begin(log: BelievedLog, batch: VerifiedBatch): Progress {
    const expected = new ExpectedCheckpoints(this.#context.crypto, log, this.#context.policy.witnesses);
    for (const other of this.#context.others) expected.addOther(other);
    const tally = new EntryTally(log.vkey.name);
    const recent = new RecentTree(this.#context.crypto, this.#context.sizes);
    const anchors = new LogAnchors(this.#context.crypto, log, (size) => recent.rootAt(size));
    for (const receipt of this.#context.receipts) {
      expected.addReceipt(receipt);
      anchors.addBeside(receipt);
    }
    const { head, before, checkpoint } = batch;
    const at = { first: head.first, frontier: before, root: checkpoint.root, sizeAtBox: head.size };
    return { log, expected, tally, anchors, recent, ...at };
  }

  /** The log that the first batch is of: by its header, or by its key id, so that a forged header does not hide it. */
  #logOf(bytes: Uint8Array): BelievedLog | Failure {
    const { logs, single } = this.#context;
    if (single !== undefined) return single;
    const { origin, kid } = hintOf(bytes);
    const named = origin === undefined ? undefined : logs.get(origin);
    if (named !== undefined) return named;
    const byKey = [...logs.values()].find((log) => hex(log.vkey.keyId) === kid);
    if (byKey !== undefined) return byKey;
    if (origin !== undefined) return { reason: 'unknown_log', detail: `the file speaks of ${origin.slice(0, 120)}` };
    const framed = frameBatch(bytes);
    if (!framed.ok && mentionsBelieved(bytes, logs)) return { reason: framed.reason, detail: framed.detail, at: 0 };
    const header = framed.ok && mentionsBelieved(framed.value.header, logs);
    if (header) return { reason: 'header', detail: 'the header is not canonical JSON', at: 0 };
    return { reason: 'unattributed', detail: 'no header names a log, and no key id is known' };
  }

  #read(batch: VerifiedBatch, { tally, anchors }: Progress): Failure | undefined {
    let index = batch.head.first;
    for (const leaf of batch.leaves) {
      const checked = tally.add(index, leaf);
      if (!checked.ok) return { reason: checked.reason, detail: checked.detail };
      if (anchors.reads) anchors.entry(index, leaf, checked.value.use);
      index += 1;
    }
    return undefined;
  }

  #compare(batch: VerifiedBatch, progress: Progress): Failure | undefined {
    const { before, after, leafHashes, note } = batch;
    const { expected, anchors } = progress;
    const sizes = expected.sizesIn(before.size, after.size);
    if (this.#batches === 0) {
      const failure = this.#found(progress, before.size, rootOf(this.#context.crypto, before));
      if (failure !== undefined) return failure;
    }
    if (sizes.length > 0) {
      const tree = new TreeBuilder(this.#context.crypto, before);
      for (const leaf of leafHashes) {
        tree.push(leaf);
        const failure = sizes.includes(tree.size) ? this.#found(progress, tree.size, tree.root()) : undefined;
        if (failure !== undefined) return failure;
      }
    }
    return expected.note(note) ?? anchors.note(note);
  }

  #found({ expected, anchors }: Progress, size: number, root: Uint8Array): Failure | undefined {
    anchors.reached(size, root);
    return expected.found(size, root);
  }

  #finding(progress: Progress): LogFinding {
    const { log, expected, tally, first, frontier, root, sizeAtBox } = progress;
    const end = frontier.size;
    const receipts = newestReceipts(expected.receipts);
    progress.anchors.surround(this.#context.around?.around(log) ?? []);
    const unjoined = progress.anchors.unjoined(first, end);
    const anchors = { ...progress.anchors.finding(), ...(unjoined.length > 0 && { unjoined }) };
    const missing: string[] = [];
    if (first > 0) missing.push(`entries 0 to ${first - 1} are not in this file`);
    if (sizeAtBox > end)
      missing.push(`${sizeAtBox - end} entries above ${end} were at the gateway and are not in this file`);
    if (expected.receiptsRefused > 0)
      missing.push(`${expected.receiptsRefused} receipts do not verify and count for nothing`);
    if (unjoined.length > 0) {
      const [size] = unjoined;
      missing.push(
        `${unjoined.length} anchors, the first over size ${size}, stand so far behind what they are over that a second reading must join them`,
      );
    }
    missing.push(...this.#context.badRecords.map((why) => `an enrolment record counts for nothing: ${why}`));
    return {
      origin: log.vkey.name,
      first,
      end,
      root: base64(root),
      ...tally.finding(),
      ...assuranceOf({ log, anchors, receipts, first, end, trusted: expected.trusted(end), tailAllowed: true }),
      anchors,
      receipts,
      receiptedSize: receiptedSizeOf(receipts),
      missing,
      ...(log.closed !== undefined && { closed: true as const }),
      believed: believedFrom(log),
      ...(log.vouchedBy !== undefined && { vouchedBy: log.vouchedBy }),
    };
  }
}
