/**
 * The story for a person: what happened, what was proved, and what a tamperer would have to break.
 */

import { present } from '../../src/base/assert.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import type { Trusted } from './configs.ts';
import type { Findings } from './findings.ts';
import type { Parcel } from './hands.ts';
import { ASKED, type Decided, type Scenario, type ScenarioDecision } from './refunds.ts';
import { decisionLines, trustLines } from './told-decisions.ts';

export interface Played {
  readonly powerCuts: number;
  readonly brokerOutages: number;
  /** Pseudonym in the log to the name of the parcel in this story. */
  readonly titles: ReadonlyMap<string, string>;
  readonly vkey: string;
  readonly witnessVkey: string;
  /** SubjectPublicKeyInfo of the TPM's AK, base64; undefined without a TPM. */
  readonly akSpki: string | undefined;
  readonly dataDir: string;
  readonly riskDir: string;
  /** What decisions take on the word of the demo's policy. */
  readonly trusted: Trusted;
  readonly decisions: readonly ScenarioDecision[];
  /** Made again, a decision was the same. */
  readonly replayed: boolean;
  /** The parcel of each refund. */
  readonly about: Readonly<Record<Scenario, Parcel>>;
  /** Whether real firmware took part. */
  readonly hasFirmware: boolean;
  /** What the simulated lines did to the bytes. */
  readonly lineFaults: ReadonlyMap<string, number>;
}

export interface Summary {
  readonly events: number;
  readonly delivered: number;
  readonly receipted: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly power_cuts: number;
  readonly broker_outages: number;
  readonly verified: boolean;
  readonly tamper_detected: boolean;
  readonly data_dir: string;
  readonly vkey: string;
  readonly export: string;
  readonly receipt: string;
  readonly witness_vkey: string;
  /** Level that `latchkey verify` gives the log. */
  readonly assurance: string;
  /** Anchors of the log that verified. */
  readonly anchors: number;
  readonly ak_spki?: string;
  /** Entries from an authenticated sensor; absent when no firmware took part. */
  readonly authenticated?: number;
  readonly decisions: readonly SummedDecision[];
  /** Data directory of the risk service, for `latchkey risk replay`. */
  readonly risk_data_dir: string;
}

/** Reasons as the service gave them. */
export interface SummedDecision {
  readonly scenario: Scenario;
  readonly refund: string;
  readonly outcome: string;
  readonly decision_id: string;
  readonly reasons: Decided['reasons'];
}

export function summaryOf(findings: Findings, played: Played): Summary {
  return {
    events: findings.events,
    delivered: findings.delivered,
    receipted: findings.receipted,
    lost: findings.lost,
    duplicates: findings.duplicates,
    power_cuts: played.powerCuts,
    broker_outages: played.brokerOutages,
    verified: findings.verified && findings.receipted === findings.events,
    tamper_detected: findings.refusals.length > 0 && findings.refusals.every((one) => one.refused),
    data_dir: played.dataDir,
    vkey: played.vkey,
    export: findings.exportFile,
    receipt: findings.receiptFile,
    witness_vkey: played.witnessVkey,
    assurance: findings.assurance,
    anchors: findings.anchors.verified,
    ...(played.akSpki !== undefined && { ak_spki: played.akSpki }),
    ...(played.hasFirmware && { authenticated: authenticatedOf(findings) }),
    decisions: played.decisions.map(({ scenario, refund, decided: { outcome, decision_id, reasons } }) => ({
      scenario,
      refund,
      outcome,
      decision_id,
      reasons,
    })),
    risk_data_dir: played.riskDir,
  };
}

export function isGood(summary: Summary, { replayed }: Pick<Played, 'replayed'>): boolean {
  const isAnchored = summary.ak_spki === undefined || summary.anchors > 0;
  const isHeard = summary.authenticated === undefined || summary.authenticated > 0;
  return (
    isAnchored &&
    isHeard &&
    replayed &&
    summary.decisions.every(({ scenario, outcome }) => outcome === ASKED[scenario].wanted) &&
    summary.lost === 0 &&
    summary.duplicates === 0 &&
    summary.verified &&
    summary.tamper_detected
  );
}

/** Entries that say by which session of which device they were proved. */
function authenticatedOf({ exported }: Findings): number {
  return exported.events.filter(({ event }) => event.data['sensor'] !== undefined).length;
}

export function storyOf(findings: Findings, played: Played): readonly string[] {
  return [
    '',
    'WHAT HAPPENED',
    ...happened(
      findings.exported.events.map(({ event }) => event),
      played,
    ),
    '',
    'WHAT WAS PROVED',
    ...proved(findings, played),
    '',
    'WHAT WAS DECIDED',
    ...decided(findings, played),
    '',
    'WHAT A TAMPERER WOULD HAVE TO BREAK',
    ...toBreak(findings, played),
    '',
    'CHECK IT YOURSELF',
    `  node dist/src/cli/main.js verify ${findings.exportFile} \\`,
    `    --vkey ${played.vkey}`,
    `  node dist/src/cli/main.js risk replay ${present(played.decisions.at(-1), 'a decision').decided.decision_id} \\`,
    `    --data-dir ${played.riskDir}`,
    '',
  ];
}

const TOLD: Readonly<Record<string, (event: CustodyEvent) => string>> = {
  'parcel.deposited': () => 'was put in',
  'parcel.collected': () => 'was taken out',
  'parcel.returned': () => 'came back',
  'parcel.removed': () => 'was removed',
  'compartment.disturbed': ({ data }) =>
    data['closed_by'] === 'cut'
      ? 'stood open when nobody could look any more'
      : 'was opened, and no parcel changed hands',
  'access.granted': ({ data }) => `was opened by a code that was typed (${String(data['method'])})`,
  'access.refused': ({ data }) => `refused a code (${String(data['reason'])})`,
  'door.forced': ({ data }) =>
    data['reason'] === 'opened_without_access'
      ? 'was opened, and nobody had been let in'
      : 'was opened while nobody could read its board',
  'device.lost': ({ data }) => `does not answer (${String(data['reason'])})`,
  'device.found': ({ data }) => `answers (${String(data['reason'])})`,
  'gateway.started': ({ data }) => (data['clean'] === false ? 'started after a crash, and says so' : 'started'),
  'gateway.stopped': () => 'stopped cleanly',
};

function happened(events: readonly CustodyEvent[], played: Played): string[] {
  const rest = new Map<string, number>();
  const lines = events.flatMap((event) => {
    if (TOLD[event.type] === undefined) {
      rest.set(event.type, (rest.get(event.type) ?? 0) + 1);
      return [];
    }
    return [`  entry ${String(event.n).padStart(4)}  ${event.at.slice(11, 23)}  ${tellEntry(event, played)}`];
  });
  const others = [...rest].map(([type, times]) => `${times} ${type}`).join(', ');
  return [...lines, `  and ${others}`];
}

/** One whose type has no words here is called by its type. */
function tellEntry(event: CustodyEvent, { titles }: Pick<Played, 'titles'>): string {
  const parcel = event.parcel === undefined ? undefined : (titles.get(event.parcel.ref) ?? 'a parcel');
  const where = event.compartment ?? event.device ?? 'the gateway';
  const visit = event.type.startsWith('parcel.') && parcel !== undefined;
  const who = visit ? `${where}: ${parcel}` : where;
  return `${who} ${TOLD[event.type]?.(event) ?? event.type}${doubts(event)}`;
}

/** What the box itself says it did not see, or does not believe. */
function doubts(event: CustodyEvent): string {
  const { contradictions, not_seen: notSeen, cut } = event.data;
  const unseen = Array.isArray(notSeen) ? notSeen.map((word) => String(word).replace(/_(before|after)$/, '')) : [];
  const words = [
    ...(cut === true ? ['cut by a restart'] : []),
    ...(Array.isArray(contradictions) ? contradictions.map((word) => String(word).replaceAll('_', ' ')) : []),
    ...[...new Set(unseen)].map((word) => `${word} not seen`),
  ];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

function proved(findings: Findings, played: Played): string[] {
  const faults = [...played.lineFaults].map(([kind, times]) => `${times} ${kind.replaceAll('_', ' ')}`).join(', ');
  const when = new Date(findings.receiptedAtS * 1_000).toISOString().slice(11, 19);
  return [
    `  ${findings.events} entries in the gateway's log, ${findings.delivered} of them in the service's database:`,
    `    ${findings.lost} lost, ${findings.duplicates} stored twice, ${findings.sameBytes} equal byte for byte`,
    `  through ${count(played.powerCuts, 'kill', 'kills')} in the middle of a write and ${count(
      played.brokerOutages,
      'outage',
      'outages',
    )} of the broker`,
    `  over lines with ${faults || 'no faults'}`,
    `  a signed note after each of ${count(findings.exported.batches.length, 'batch', 'batches')}, over the whole tree so far; the last one at ${findings.exported.size}`,
    `  the service's receipt of ${when} UTC covers all ${findings.receipted}. It is advisory: they were received and verified,`,
    '    and its embedded database is not synced at each commit; on PostgreSQL a receipt says that they are on its disk',
    ...(played.hasFirmware
      ? [
          `  ${count(authenticatedOf(findings), 'entry', 'entries')} from firmware in C that proved itself by the key of its label`,
        ]
      : []),
    ...anchored(findings, played),
    `  latchkey verify: ${findings.verified ? 'verified' : 'NOT VERIFIED'}, by policy and by key`,
  ];
}

function anchored({ anchors, assurance, whyNotHigher }: Findings, { akSpki }: Played): string[] {
  const level = `  assurance level ${assurance}: ${whyNotHigher[0] ?? 'the highest'}`;
  if (akSpki === undefined) return [level];
  return [
    `  ${count(anchors.verified, 'anchor', 'anchors')} of the TPM, up to entry ${anchors.size}: its counter went up by exactly one each time,`,
    `    through the power cut as well; ${count(anchors.tail, 'entry comes', 'entries come')} after the last one`,
    level,
  ];
}

function decided({ exported }: Findings, played: Played): string[] {
  const { trusted, decisions, about, replayed } = played;
  const tell = (event: CustodyEvent): string => tellEntry(event, played);
  return [
    ...trustLines(trusted).map((line) => `  ${line}`),
    ...decisionLines(decisions, exported, { about, tell }),
    '',
    `  the last one, decided again from what was kept: ${replayed ? 'the same' : 'NOT THE SAME'}`,
  ];
}

function toBreak(findings: Findings, { akSpki }: Played): string[] {
  return [
    ...findings.refusals.flatMap(({ what, said, refused }) => [
      `  tried: ${what}`,
      `    ${refused ? 'refused' : 'NOT REFUSED'}: ${said}`,
    ]),
    '  To change, drop or insert an entry unseen, somebody would have to find a second preimage of SHA-256, since each',
    '  note commits to every entry before it (RFC 6962), or to hold all three of these at once:',
    "    1. the log's Ed25519 key, which signs every batch and note and lies on the gateway alone",
    "    2. the service's database, with its own copy of every entry",
    "    3. the service's key, which put a dated signature under the same tree",
    ...(akSpki === undefined
      ? [
          '  Said openly: this demo keeps the key in a file (level A0). Whoever is root on the box can sign lies about what',
          '  it has not sent yet; what the service holds, they cannot change.',
        ]
      : [
          '  The TPM adds a counter that only goes up, and a key that never leaves it: a disk put back to an older state, or',
          '  a second branch of the log, does not fit its anchors.',
          '  Said openly: this one is simulated and could be copied (level A0). Whoever runs as root on a box can sign lies',
          '  about what it has not sent yet; what the service holds, they cannot change.',
        ]),
  ];
}

function count(value: number, one: string, many: string): string {
  return `${value} ${value === 1 ? one : many}`;
}
