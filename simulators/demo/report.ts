/**
 * The story for a person: what happened, what was proved, and what a tamperer would have to break.
 */
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import type { Findings } from './findings.ts';

export interface Played {
  readonly powerCuts: number;
  readonly brokerOutages: number;
  /** Pseudonym in the log to the name of the parcel in this story. */
  readonly titles: ReadonlyMap<string, string>;
  readonly vkey: string;
  readonly witnessVkey: string;
  readonly dataDir: string;
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
  };
}

export function isGood(summary: Summary): boolean {
  return summary.lost === 0 && summary.duplicates === 0 && summary.verified && summary.tamper_detected;
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
    'WHAT A TAMPERER WOULD HAVE TO BREAK',
    ...toBreak(findings),
    '',
    'CHECK IT YOURSELF',
    `  latchkey verify ${findings.exportFile} \\`,
    `    --vkey ${played.vkey}`,
    '',
  ];
}

const TOLD: Readonly<Record<string, (event: CustodyEvent) => string>> = {
  'parcel.deposited': () => 'was put in',
  'parcel.collected': () => 'was taken out',
  'parcel.returned': () => 'came back',
  'parcel.removed': () => 'was removed',
  'compartment.disturbed': () => 'was opened, and no parcel changed hands',
  'door.forced': () => 'was opened while nobody could read its board',
  'device.lost': ({ data }) => `does not answer (${String(data['reason'])})`,
  'device.found': ({ data }) => `answers (${String(data['reason'])})`,
  'gateway.started': ({ data }) => (data['clean'] === false ? 'started after a crash, and says so' : 'started'),
  'gateway.stopped': () => 'stopped cleanly',
};

function happened(events: readonly CustodyEvent[], played: Played): string[] {
  return events.flatMap((event) => {
    const tell = TOLD[event.type];
    if (tell === undefined) return [];
    const parcel = event.parcel === undefined ? undefined : (played.titles.get(event.parcel.ref) ?? 'a parcel');
    const where = event.compartment ?? event.device ?? 'the gateway';
    const who = parcel === undefined ? where : `${parcel} in ${where}`;
    return `  entry ${String(event.n).padStart(4)}  ${event.at.slice(11, 23)}  ${who} ${tell(event)}${doubts(event)}`;
  });
}

/** What the box itself says it did not see, or does not believe. */
function doubts(event: CustodyEvent): string {
  const { contradictions, not_seen: notSeen, cut } = event.data;
  const words = [
    ...(cut === true ? ['cut by a restart'] : []),
    ...(Array.isArray(contradictions) ? contradictions.map((word) => String(word).replaceAll('_', ' ')) : []),
    ...(Array.isArray(notSeen) ? notSeen.map((word) => `${String(word).replaceAll('_', ' ')} not seen`) : []),
  ];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

function proved(findings: Findings, played: Played): string[] {
  const when = new Date(findings.receiptedAtS * 1_000).toISOString().slice(11, 19);
  return [
    `  ${findings.events} entries in the gateway's log, ${findings.delivered} of them in the consumer's files:`,
    `    ${findings.lost} lost, ${findings.duplicates} stored twice, ${findings.sameBytes} equal byte for byte`,
    `  through ${count(played.powerCuts, 'kill', 'kills')} in the middle of a write and ${count(
      played.brokerOutages,
      'outage',
      'outages',
    )} of the broker`,
    `  signed notes after ${findings.exported.batches.length} batches, each over the whole tree so far; the last one at ${findings.exported.size}`,
    `  the consumer's receipt of ${when} UTC covers all ${findings.receipted}: they are on its disk`,
    `  latchkey verify: ${findings.verified ? 'verified' : 'NOT VERIFIED'}, by policy and by key`,
  ];
}

function toBreak(findings: Findings): string[] {
  return [
    ...findings.refusals.flatMap(({ what, said, refused }) => [
      `  tried: ${what}`,
      `    ${refused ? 'refused' : 'NOT REFUSED'}: ${said}`,
    ]),
    '  To change, drop or insert one entry unseen, somebody would need all of these:',
    "    1. the log's Ed25519 key, which lies on the gateway alone: every batch and every note carries its signature",
    '    2. a second preimage of SHA-256: each note commits to every entry before it (RFC 6962)',
    "    3. the consumer's copy, and the receipt with which it put its own key under the same tree",
    '  Said openly: this demo keeps the key in a file (level A0). Whoever is root on the box can sign lies about what',
    '  it has not sent yet; what the consumer holds, they cannot change.',
  ];
}

function count(value: number, one: string, many: string): string {
  return `${value} ${value === 1 ? one : many}`;
}
