/**
 * Whether a log on disk is what it should be: pages, rows, tree, notes, leaves, receipts, each finding under its name.
 *
 * Changes nothing. A running gateway checks its own database; offline the caller holds the journal's lock.
 */
import { equalBytes } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { judgeLeaf } from '../../evidence/event/guard.ts';
import { parseLeaf } from '../../evidence/event/leaf.ts';
import { verifyLogNote } from '../../evidence/log/note.ts';
import { LogDatabase } from './log-database.ts';
import { paced } from './paced.ts';
import type { RowsReason } from './stored-tree.ts';

export type FindingName =
  /** The file does not open as a log: the rest was read as far as that goes. */
  | 'open'
  /** SQLite's own check of its pages. */
  | 'pages'
  | RowsReason
  /** A leaf is not a canonical event. */
  | 'leaf_form'
  /** A leaf names another log or index than its place. */
  | 'leaf_place'
  /** A start number falls. */
  | 'leaf_boot'
  /** A consumer would withhold it: a card number, or outside of the vocabulary. */
  | 'leaf_use'
  /** A receipt covers more entries than there are: the file was restored from an older copy. */
  | 'receipt_above'
  /** A receipt is for another tree. */
  | 'receipt_root'
  /** A receipt's note does not verify. */
  | 'receipt_note';

export interface CheckFinding {
  readonly finding: FindingName;
  readonly index?: number;
  readonly detail: string;
}

export interface CheckReport {
  readonly path: string;
  readonly origin?: string;
  /** No finding: everything in the file fits. */
  readonly sound: boolean;
  readonly size: number;
  /** Rows up to here were run along: all of them, or those below the first that does not fit. */
  readonly checkedSize: number;
  /** Size of the newest note. */
  readonly noteSize: number;
  /** Entries whose body was removed, as far as was checked. */
  readonly reduced: number;
  /** Notes that fit, as far as was checked. */
  readonly notes: number;
  readonly receipts: readonly { readonly keyId: string; readonly size: number }[];
  /** The first findings, at most 100. */
  readonly findings: readonly CheckFinding[];
  readonly findingsMore: number;
}

export interface CheckOptions {
  readonly crypto: EvidenceCrypto;
  readonly signal: AbortSignal;
  /** Entries checked so far. */
  readonly progress?: (size: number) => void;
  /** SQLite's page check too, which blocks for seconds on a large file: offline only. */
  readonly pages: boolean;
}

const FINDINGS_MAX = 100;
const PAGE_FINDINGS_MAX = 20;

/** Checks a file that nobody else has open; one that does not open is a finding. Throws JOURNAL_MISSING and JOURNAL_BUSY. */
export async function checkFile(path: string, options: CheckOptions): Promise<CheckReport> {
  const before: CheckFinding[] = [];
  const database = openAnyhow(path, options.crypto, before);
  if (database === undefined) {
    return {
      path,
      sound: false,
      size: 0,
      checkedSize: 0,
      noteSize: 0,
      reduced: 0,
      notes: 0,
      receipts: [],
      findings: before,
      findingsMore: 0,
    };
  }
  try {
    return await checkLog(database, options, before);
  } finally {
    database.close();
  }
}

/** Rejects with the abort reason, and with JOURNAL_IO. */
export async function checkLog(
  database: LogDatabase,
  options: CheckOptions,
  before: readonly CheckFinding[] = [],
): Promise<CheckReport> {
  const findings = new Findings(before);
  if (options.pages) for (const detail of pageFindings(database)) findings.add('pages', detail);
  const size = database.size();
  const verdict = await paced(database.verifySteps(0, size), options);
  if (!verdict.ok) findings.add(verdict.reason, verdict.detail, verdict.index);
  await paced(leafSteps(database, verdict.ok ? size : verdict.index, findings), { signal: options.signal });
  checkReceipts(database, options.crypto, findings);
  const { size: checkedSize, reduced, notes } = verdict.ok ? verdict : verdict.before;
  return {
    path: database.path,
    origin: database.origin,
    sound: findings.total === 0,
    size,
    checkedSize,
    noteSize: database.newestNote()?.size ?? 0,
    reduced,
    notes,
    receipts: database.receipts().map((receipt) => ({ keyId: receipt.keyId, size: receipt.size })),
    findings: findings.named,
    findingsMore: findings.total - findings.named.length,
  };
}

class Findings {
  readonly named: CheckFinding[];
  total: number;

  constructor(before: readonly CheckFinding[]) {
    this.named = [...before];
    this.total = before.length;
  }

  add(finding: FindingName, detail: string, index?: number): void {
    this.total += 1;
    if (this.named.length < FINDINGS_MAX) this.named.push({ finding, detail, ...(index !== undefined && { index }) });
  }
}

function openAnyhow(path: string, crypto: EvidenceCrypto, findings: CheckFinding[]): LogDatabase | undefined {
  for (const mode of ['read', 'salvage'] as const) {
    try {
      return LogDatabase.open(path, crypto, mode);
    } catch (error) {
      const isOfFile = ['JOURNAL_DAMAGED', 'JOURNAL_VERSION', 'JOURNAL_IO'];
      if (!(error instanceof LatchkeyError) || !isOfFile.includes(error.code)) throw error;
      if (mode === 'read') findings.push({ finding: 'open', detail: error.message });
      // What another version wrote is not read by this one's rules.
      if (error.code === 'JOURNAL_VERSION') return undefined;
    }
  }
  return undefined;
}

function pageFindings(database: LogDatabase): readonly string[] {
  try {
    return database.pageFindings(PAGE_FINDINGS_MAX);
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'JOURNAL_DAMAGED') return [error.message];
    throw error;
  }
}

/** The leaves whose rows were found sound. */
function* leafSteps(database: LogDatabase, to: number, findings: Findings): Generator<undefined, void> {
  let boot = 0;
  for (const { index, leaf } of database.leaves(0, to)) {
    yield undefined;
    if (leaf === undefined) continue;
    const parsed = parseLeaf(leaf);
    if (!parsed.ok) {
      findings.add('leaf_form', `${parsed.reason}: ${parsed.detail}`, index);
      continue;
    }
    const { event, kind } = parsed.value;
    const use = judgeLeaf(parsed.value);
    if (use.use === 'withheld') findings.add('leaf_use', `${use.why} at ${use.paths.join(', ')}`, index);
    if (kind === 'unknown_version') continue;
    if (event.log !== database.origin || event.n !== index) {
      findings.add('leaf_place', `the leaf says entry ${event.n} of ${event.log}`, index);
    }
    if (event.boot < boot) findings.add('leaf_boot', `start ${event.boot} after start ${boot}`, index);
    boot = event.boot;
  }
}

function checkReceipts(database: LogDatabase, crypto: EvidenceCrypto, findings: Findings): void {
  for (const { keyId, size, note } of database.receipts()) {
    const verified = verifyLogNote(crypto, note, database.vkey);
    if (!verified.ok || verified.value.checkpoint.size !== size) {
      findings.add('receipt_note', `the receipt of key ${keyId} does not verify`);
    } else if (size > database.size()) {
      findings.add(
        'receipt_above',
        `the receipt of key ${keyId} covers ${size} entries, the file holds ${database.size()}: it was restored from an older copy`,
      );
    } else if (!equalBytes(database.rootAt(size) ?? new Uint8Array(0), verified.value.checkpoint.root)) {
      findings.add('receipt_root', `the receipt of key ${keyId} for ${size} entries is for others than these`);
    }
  }
}
