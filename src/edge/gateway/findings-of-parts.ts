/** What stands still around the journal: uplink, lines, locks, TPM, enrolment, and what holds doors shut. */
import type { Finding } from '../contracts/console-view.ts';
import { alarmInWords, inWords } from '../contracts/plain-words.ts';
import type { CompartmentStatus } from '../custody/compartment.ts';
import type { LineStatus } from '../drivers/line.ts';
import type { UplinkHealth } from '../uplink/health.ts';
import { type FindingName, finding } from './findings.ts';
import type { OpeningStatus } from './opening.ts';
import type { TellingStatus } from './successor-duty.ts';
import type { TpmStatus } from './tpm-duty.ts';

/** By the first word of an alarm of the uplink. */
export const ALARMS: Readonly<Record<string, FindingName>> = {
  subscription_refused: 'subscription_refused',
  memory_lost: 'memory_lost',
  enrolment_refused: 'enrolment_refused',
  checkpoint_refused: 'checkpoint_refused',
  batch_refused: 'batch_refused',
  nobody_listens: 'nobody_listens',
  receipts_stalled: 'log_receipts_stalled',
  journal_unreadable: 'journal_unreadable',
};

const NO_STORE =
  'the settings name no store: put the key that "latchkey receive --show-key" prints at the consumer under receivers';

/** `stores`: of the settings, whose receipts count. */
export function uplinkFindings(uplink: UplinkHealth, stores?: number): readonly Finding[] {
  const found: Finding[] = [];
  if (!uplink.connected) {
    found.push(finding('broker_away', 'the broker is not connected: entries wait in the journal'));
  }
  if (uplink.stalled) {
    const waiting = uplink.waiting === 1 ? '1 entry waits' : `${uplink.waiting} entries wait`;
    const text = `no receipt moves although ${waiting} for one`;
    found.push(finding('receipts_stalled', text, undefined, stores === 0 ? NO_STORE : undefined));
  }
  // The journal says itself that a log is breached, and when that is over; the uplink remembers it to its end.
  // Where no receipt moves at all, that one log has none is the same fault.
  const said = uplink.stalled ? ['log_breached ', 'receipts_stalled '] : ['log_breached '];
  const alarms = uplink.alarms.filter((alarm) => !said.some((word) => alarm.startsWith(word)));
  return [...found, ...alarms.map((alarm) => finding(alarmKind(alarm), alarmInWords(alarm)))];
}

function alarmKind(alarm: string): FindingName {
  return ALARMS[alarm.split(' ')[0] ?? ''] ?? 'uplink_alarm';
}

const PORT_KINDS = { opening: 'port_opening', lost: 'port_lost', closed: 'port_closed' } as const;

/** A device on a port that is away is not named beside it. */
export function lineFindings(lines: readonly LineStatus[]): readonly Finding[] {
  return lines.flatMap((line): readonly Finding[] => {
    const { port, state, reason, devices } = line;
    if (state !== 'open') return [finding(PORT_KINDS[state], `port ${port} is ${state}: ${reason}`, port)];
    return devices.flatMap((device) => {
      if (device.state !== 'lost' && device.state !== 'faulted') return [];
      const kind = device.state === 'lost' ? 'device_lost' : 'device_faulted';
      const text = `${device.name} on port ${port} is ${device.state}: ${inWords(device.reason)}`;
      return [finding(kind, text, device.name, device.remedy)];
    });
  });
}

/** A lock that its own board cannot read is not opened, and nothing is claimed of its door. */
export function lockFindings(compartments: readonly CompartmentStatus[]): readonly Finding[] {
  return compartments.flatMap(({ name, device, unread }) => {
    const text = `${device} cannot read the lock of compartment ${name}: look at its feedback wire and its connector`;
    return unread === true ? [finding('lock_unread', text, name)] : [];
  });
}

/** A TPM that is away stops no entry: only what it would prove is missing. */
export function tpmFindings(tpm: TpmStatus | undefined): readonly Finding[] {
  if (tpm === undefined) return [];
  const { state, reason, awayForMs, because, dueInMs } = tpm.anchors;
  const found: Finding[] = [];
  if (tpm.enrolAgain === true) {
    const text = 'the TPM was cleared after this box was enrolled: stop the gateway and run "latchkey enroll" again';
    found.push(finding('tpm_cleared_after_enrolment', text));
  }
  if (tpm.ak === undefined) {
    const text = `the TPM at ${tpm.target} has never answered this box: nothing is signed until it does`;
    found.push(finding('tpm_never_answered', text));
  }
  if (state === 'away') {
    const forS = Math.round((awayForMs ?? 0) / 1_000);
    const text = `the TPM has not anchored for ${forS} s, and nothing since is anchored: ${reason}`;
    found.push(finding('tpm_away', text));
  } else if (tpm.silent !== undefined && tpm.ak !== undefined) {
    const text = `the TPM does not answer, and nothing will be anchored until it does: ${tpm.silent}`;
    found.push(finding('tpm_silent', text));
  } else if (because === 'wear') {
    const text = `anchors wait ${Math.ceil((dueInMs ?? 0) / 1_000)} s: the wear budget of the TPM is used up`;
    found.push(finding('tpm_worn', text));
  }
  return [...found, ...clearedFindings(tpm)];
}

/** What happened to the TPM and stays true. */
function clearedFindings({ cleared }: TpmStatus): readonly Finding[] {
  if (cleared === undefined) return [];
  const times = cleared === 1 ? 'once' : `${cleared} times`;
  const text = `the TPM was cleared ${times}: what it had sealed is gone, and its keys and counter were made anew`;
  return [finding('tpm_cleared', text)];
}

/** A service that is away for an hour is worth a look; one that contradicts, at once. */
const TELLING_PATIENCE_MS = 3_600_000;

/** What the enrolment service does not know stops no entry: another log's level waits for it. */
export function tellingFindings(telling: TellingStatus | undefined): readonly Finding[] {
  if (telling === undefined || telling.waiting === 0) return [];
  const { state, reason = '', failingForMs = 0, service } = telling;
  if (state === 'contested') {
    const text = `the enrolment service at ${service} has another successor of a log: ${reason}`;
    return [finding('successor_contested', text)];
  }
  if (state !== 'refused' && failingForMs < TELLING_PATIENCE_MS) return [];
  const text = `the enrolment service at ${service} does not know the newest log: ${reason}`;
  return [finding('successor_unknown', text)];
}

/** What a person should know, although nothing is wrong with it. */
export function openingFindings({ doors }: OpeningStatus): readonly Finding[] {
  if (doors.stopped === undefined || doors.stopped.reason === 'stopping') return [];
  const { by, reason } = doors.stopped;
  const who = reason === 'unreadable' ? 'its file cannot be read' : `asked by ${by}`;
  const text = `stop_pick is in force (${who}): no door is opened until "latchkey resume" or a signed resume`;
  return [finding('stop_pick', text)];
}
