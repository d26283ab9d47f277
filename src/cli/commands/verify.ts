/**
 * `latchkey verify`: the verdict over a file, or over several and what they show together, offline. Loads no native code, so it runs wherever Node does.
 */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { portableCrypto } from '../../evidence/portable-crypto.ts';
import { AnchorsTogether } from '../../evidence/verify/anchors-together.ts';
import type { DecidedAgain } from '../../evidence/verify/bundle-decisions.ts';
import { originOfNote } from '../../evidence/verify/checkpoints.ts';
import { ENROLMENT_FILE_BYTES_MAX, parseEnrolmentFile } from '../../evidence/verify/enrolled.ts';
import { POLICY_BYTES_MAX, parsePolicy, policyOfVkey, type TrustPolicy } from '../../evidence/verify/policy.ts';
import type { ClosedLog } from '../../evidence/verify/trust.ts';
import type { LogFinding, Verdict } from '../../evidence/verify/verdict.ts';
import { unjoinedSizes, type VerifyOptions, verifyFile } from '../../evidence/verify/verify-file.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { nodeCrypto, nodeSha512 } from '../../platform/node-crypto.ts';
import { describeProblem } from '../../platform/problem.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { decideAgain } from '../decide-again.ts';
import { jsonLine } from '../json-line.ts';
import { closedBy, describeTogether, judgeTogether, type ReadFile } from './verify-several.ts';

export const verifyCommand: CommandRun = async (args, io) => {
  const { policy, single } = trustOf(args);
  // The second opinion is on the curve: the hash of whole batches in JavaScript would take most of the time.
  const cryptos = [nodeCrypto, portableCrypto({ sha512: nodeSha512 })];
  const receipts = args.list('receipt').map(bytesIn);
  const beside = {
    receipts,
    enrolments: args.list('enrolment').flatMap(envelopesIn),
  };
  const options = { cryptos, policy, single, decideAgain, ...beside };
  const read: ReadFile[] = [];
  for (const file of args.positionals) read.push({ file, ...(await verdictOver(file, options)) });
  tellUnused(args.list('receipt'), receipts, read, io);
  if (read.length < 2) return say(args, io, read[0]);
  // The log after one that lost its key says that it ended; there may be a chain of them.
  let closed: readonly ClosedLog[] = [];
  for (let more = closedBy(read); more.length > closed.length; more = closedBy(read)) {
    closed = more;
    for (const [i, { file, verdict }] of read.entries()) {
      if (verdict.reason !== 'unsigned' || !isReadAgain(file)) continue;
      read[i] = { file, ...(await verdictOver(file, { ...options, closed })) };
    }
  }
  const several = await judgeTogether(read, async (file, beside) =>
    isReadAgain(file) ? await readWith(file, { ...options, closed, ...beside }) : undefined,
  );
  if (args.flag('json')) io.out(jsonLine(several));
  else {
    for (const { file, ...verdict } of several.files) for (const line of describeVerdict(file, verdict)) io.out(line);
    for (const line of describeTogether(several.together)) io.out(line);
  }
  return several.exitCode;
};

/** A receipt of another log says nothing about these files: whoever named it hears that. */
function tellUnused(
  paths: readonly string[],
  receipts: readonly Uint8Array[],
  read: readonly ReadFile[],
  io: CommandIo,
): void {
  const known = read.flatMap(({ verdict }) => verdict.logs.map(({ origin }) => origin));
  for (const [i, bytes] of receipts.entries()) {
    const origin = originOfNote(bytes);
    if (origin !== undefined && !known.includes(origin))
      io.err(`${paths[i]} is of ${origin}: it says nothing of these files`);
  }
}

function say(args: CommandArgs, io: CommandIo, read: ReadFile | undefined): number {
  if (read === undefined) throw new LatchkeyError('USAGE', 'verify: expected FILE...');
  const { file, verdict } = read;
  if (args.flag('json')) io.out(jsonLine(verdict));
  else for (const line of describeVerdict(file, verdict)) io.out(line);
  return verdict.exitCode;
}

async function verdictOver(file: string, options: VerifyOptions): Promise<Omit<ReadFile, 'file'>> {
  const first = { ...options, together: new AnchorsTogether() };
  const once = await readWith(file, first);
  const sizes = unjoinedSizes(once);
  // A pipe gives its bytes once: the verdict over it says what a second reading would have joined.
  if (sizes.length === 0 || !isReadAgain(file)) return { verdict: once, anchors: first.together };
  const again = { ...options, sizes, together: new AnchorsTogether() };
  return { verdict: await readWith(file, again), anchors: again.together };
}

function trustOf(args: CommandArgs): { readonly policy: TrustPolicy; readonly single: boolean } {
  const path = args.text('policy');
  const vkey = args.text('vkey');
  if ((path === undefined) === (vkey === undefined)) {
    const found = path === undefined ? 'neither: without trust nothing can be told' : 'both';
    throw new LatchkeyError('INPUT_UNREADABLE', `expected either --policy FILE or --vkey KEY, found ${found}`);
  }
  if (path !== undefined) return { policy: policyIn(path), single: false };
  const policy = policyOfVkey(nodeCrypto, vkey ?? '');
  if (policy !== undefined) return { policy, single: true };
  throw new LatchkeyError(
    'INPUT_UNREADABLE',
    '--vkey: expected <origin>+<8 hex digits>+<base64> of a log key (type 0x01)',
  );
}

function isReadAgain(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** What a person named beside the file must be there; whether it proves anything is the verdict's. */
function bytesIn(path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size <= ENROLMENT_FILE_BYTES_MAX) return Uint8Array.from(readFileSync(path));
    throw new Error(`expected at most ${ENROLMENT_FILE_BYTES_MAX} bytes, found ${size}`);
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${path}: ${messageOf(error)}`);
  }
}

function envelopesIn(path: string): readonly Envelope[] {
  const parsed = parseEnrolmentFile(bytesIn(path));
  if (parsed.ok) return parsed.value;
  throw new LatchkeyError('INPUT_UNREADABLE', `${path}: ${parsed.detail}`);
}

function policyIn(path: string): TrustPolicy {
  const parsed = parsePolicy(nodeCrypto, policyBytes(path));
  if (parsed.ok) return parsed.value;
  const problems = parsed.problems.map(describeProblem).map((line) => `\n  ${line}`);
  throw new LatchkeyError('INPUT_UNREADABLE', `${path} is no trust policy:${problems.join('')}`);
}

function policyBytes(path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size <= POLICY_BYTES_MAX) return readFileSync(path);
    throw new LatchkeyError('INPUT_UNREADABLE', `${path}: expected at most ${POLICY_BYTES_MAX} bytes, found ${size}`);
  } catch (error) {
    if (error instanceof LatchkeyError) throw error;
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read the trust policy: ${messageOf(error)}`);
  }
}

async function readWith(path: string, options: VerifyOptions): Promise<Verdict> {
  try {
    return await verifyFile(createReadStream(path, { highWaterMark: 1 << 20 }), options);
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${path}: ${messageOf(error)}`);
  }
}

const HEADLINES = { verified: 'VERIFIED', refuted: 'REFUTED', cannot_tell: 'CANNOT TELL' } as const;

const AGAIN: Readonly<Record<DecidedAgain['result'], (outcome: string) => string>> = {
  same: () => 'decided again from its facts: the same, to the byte',
  reworded: () => 'decided again from its facts: the same outcome for the same reasons, in other words',
  other: (outcome) => `decided again from its facts: ANOTHER ANSWER, ${outcome}`,
  unknown: () => 'not decided again: this version has other rules, or cannot read its facts',
};

export function describeVerdict(file: string, verdict: Verdict): readonly string[] {
  const what = verdict.kind === undefined ? '' : ` (${verdict.kind})`;
  const lines = [`${HEADLINES[verdict.outcome]}: ${file}${what}`];
  if (verdict.reason !== undefined) {
    const where = verdict.at === undefined ? '' : `, at ${verdict.at}`;
    lines.push(`  ${verdict.reason}: ${verdict.detail ?? ''}${where}`);
  }
  if (verdict.question !== undefined) lines.push(`  question, as its maker put it: ${verdict.question}`);
  const { sealed, decisions = [] } = verdict;
  if (sealed !== undefined) lines.push(`  sealed by ${sealed.maker} at ${sealed.issued}: nothing was taken out since`);
  for (const { decisionId, refundId, outcome, entries, again, above = [] } of decisions) {
    lines.push(
      `  decision ${decisionId} on refund ${refundId}, as ${sealed === undefined ? 'the file' : 'its maker'} says: ${outcome}, resting on ${entries.length} of these entries`,
    );
    if (sealed === undefined) lines.push('    its outcome and its reasons are sealed by nobody whom the policy names');
    if (again !== undefined) lines.push(`    ${AGAIN[again.result](again.outcome ?? '')}`);
    lines.push(
      ...firstOf(above.map((one) => `    ${one.entry} counted as ${one.counted}; proved here: ${one.proved}`)),
    );
  }
  return [...lines, ...verdict.logs.flatMap(describeLog)];
}

const LISTED_MAX = 16;

function firstOf(lines: readonly string[]): readonly string[] {
  if (lines.length <= LISTED_MAX) return lines;
  return [...lines.slice(0, LISTED_MAX), `    and ${lines.length - LISTED_MAX} more`];
}

/** Said where the entries of a bundle differ. */
function describeLevels({ levels = [] }: LogFinding): readonly string[] {
  if (levels.length < 2) return [];
  return levels.map(({ level, entries }) => {
    const more = entries.length > LISTED_MAX ? `, and ${entries.length - LISTED_MAX} more` : '';
    return `  of these   ${level}: ${entries.slice(0, LISTED_MAX).join(', ')}${more}`;
  });
}

function describeLog(log: LogFinding): readonly string[] {
  const { accepted, opaque, withheld } = log.entries;
  const time = log.claimedTime;
  const stored =
    log.receiptedSize === 0 ? 'by nobody that the policy names' : `below ${log.receiptedSize}, says ${storesOf(log)}`;
  return [
    `  log        ${log.origin}`,
    `  entries    ${log.first} to ${log.end - 1}: ${accepted} accepted, ${opaque} of unknown kind, ${withheld} withheld`,
    `  root       ${log.root} at size ${log.end}`,
    `  stored     ${stored}`,
    `  level      ${log.level}; not higher because`,
    ...log.whyNotHigher.map((why) => `               ${why}`),
    ...describeLevels(log),
    `  believed   ${describeBelieved(log)}`,
    ...describeAnchors(log),
    `  tail       ${log.tail} entries after the last anchor`,
    ...(log.entries.erased === undefined
      ? []
      : [`  erased     ${log.entries.erased}: their leaf hashes alone are proved`]),
    ...(time === undefined ? [] : [`  claimed    ${time.from} to ${time.to} (wall clocks are claims)`]),
    ...(log.predecessor === undefined ? [] : [`  follows    ${log.predecessor.origin}`]),
    ...log.missing.map((what) => `  missing    ${what}`),
  ];
}

const SOURCES = {
  policy: 'from the policy or key given',
  record: 'from the record',
  successor: 'from the log before, by a successor statement',
} as const;

function describeBelieved({ believed, vouchedBy }: LogFinding): string {
  const { key, tpm, record } = believed;
  const by = key === 'successor' && vouchedBy !== undefined ? ` of ${vouchedBy}` : '';
  const from = record === undefined ? '' : `; record ${record.hash} of ${record.service}`;
  return `key ${SOURCES[key]}${by}; TPM ${tpm === undefined ? 'of which nothing is said' : SOURCES[tpm]}${from}`;
}

function describeAnchors({ anchors }: LogFinding): readonly string[] {
  const { found, verified, size, newest } = anchors;
  if (found === 0) return ['  anchors    none'];
  const last = newest === undefined ? '' : `, the last with counter ${newest.counter} at size ${size}`;
  return [
    `  anchors    ${found} found, ${verified} verified${last}`,
    ...anchors.refused.map(({ index, reason }) => `  anchors    entry ${index} counts for nothing: ${reason}`),
    ...anchors.continuity.map(({ name, detail }) => `  anchors    ${name}: ${detail}`),
  ];
}

function storesOf(log: LogFinding): string {
  const stores = log.receipts.filter((receipt) => receipt.roles.includes('store'));
  return stores
    .map(({ witness, timestampS }) => `${witness} at ${new Date(timestampS * 1_000).toISOString()}`)
    .join(', ');
}
