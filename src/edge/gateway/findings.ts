/**
 * What can be wrong with a gateway, or is worth knowing: one row for each kind, with what it is about and what a person
 * does about it. Whoever makes a finding names its kind, so none is without a remedy.
 */
import type { Finding, FindingAbout } from '../contracts/console-view.ts';

interface FindingKind {
  readonly severity: Finding['severity'];
  readonly about: FindingAbout;
  /** What a person does about it, unless who found it knows better. */
  readonly remedy: string;
}

const DISK = 'look at the disk: its room, its cable, its errors in the kernel log ("latchkey doctor" measures it)';

export const FINDINGS = {
  broker_away: {
    severity: 'problem',
    about: 'broker',
    remedy: 'look at the network, the broker and its login ("latchkey doctor" tries them); nothing is lost meanwhile',
  },
  receipts_stalled: {
    severity: 'problem',
    about: 'receipts',
    remedy: 'look at the consumer: does it run, does it believe this log, has its store room?',
  },
  subscription_refused: {
    severity: 'problem',
    about: 'broker',
    remedy: 'let this gateway subscribe to its own receipts and retained messages in the rules of the broker',
  },
  memory_lost: {
    severity: 'problem',
    about: 'broker',
    remedy:
      'see that the broker keeps retained messages over its restarts; what waits leaves when the consumer has receipted again, and this is said until the next start',
  },
  enrolment_refused: {
    severity: 'problem',
    about: 'enrolment',
    remedy: 'let this gateway publish its retained enrolment message in the rules of the broker',
  },
  checkpoint_refused: {
    severity: 'problem',
    about: 'broker',
    remedy: 'let this gateway publish its retained checkpoints in the rules of the broker',
  },
  batch_refused: {
    severity: 'problem',
    about: 'broker',
    remedy: 'let this gateway publish its batches in the rules of the broker; its log names the reason code',
  },
  nobody_listens: {
    severity: 'problem',
    about: 'receipts',
    remedy: 'start the consumer: the broker has no subscriber for the batches of this gateway',
  },
  log_receipts_stalled: {
    severity: 'problem',
    about: 'receipts',
    remedy: 'look at the consumer: its log says why it gives no receipt for this log',
  },
  journal_unreadable: {
    severity: 'problem',
    about: 'journal',
    remedy: 'run "latchkey journal check" and look at the disk; a damaged log is set aside by itself',
  },
  uplink_alarm: {
    severity: 'problem',
    about: 'broker',
    remedy: 'read the log of the daemon, and look at the broker and the consumer',
  },
  port_opening: {
    severity: 'problem',
    about: 'port',
    remedy: 'wait some seconds; if it stays, look at the cable and at "latchkey ports"',
  },
  port_lost: {
    severity: 'problem',
    about: 'port',
    remedy: 'look at the cable, the adapter and its power, and at "latchkey ports"; it is tried again by itself',
  },
  port_closed: {
    severity: 'problem',
    about: 'port',
    remedy: 'the gateway stops, or was stopped: start it again',
  },
  device_lost: {
    severity: 'problem',
    about: 'device',
    remedy: 'look at its power and its two wires, and whether its address is the one in the settings',
  },
  device_faulted: {
    severity: 'problem',
    about: 'device',
    remedy: 'look for two devices of one address, a second master, and loose or swapped wires',
  },
  lock_unread: {
    severity: 'problem',
    about: 'compartment',
    remedy: 'look at the feedback wire of its lock and at the connector of its board',
  },
  door_forced: {
    severity: 'problem',
    about: 'compartment',
    remedy:
      'look at the door and its lock, shut it, and recount: the journal has the moment, and a photo if there is a camera',
  },
  door_was_forced: {
    severity: 'notice',
    about: 'compartment',
    remedy: 'look whether its lock still holds and what is inside, then recount, which ends this notice',
  },
  tpm_cleared_after_enrolment: {
    severity: 'problem',
    about: 'tpm',
    remedy: 'stop the gateway and run "latchkey enroll" again',
  },
  tpm_never_answered: {
    severity: 'problem',
    about: 'tpm',
    remedy:
      'see that the TPM is there and that the user of the daemon may use it ("latchkey doctor", "latchkey tpm show")',
  },
  tpm_away: {
    severity: 'problem',
    about: 'tpm',
    remedy: 'see that the TPM is there and that nobody else holds it; it is tried again by itself, and entries go on',
  },
  tpm_silent: {
    severity: 'problem',
    about: 'tpm',
    remedy:
      'see that the TPM is there and that nobody else holds it ("latchkey tpm show"); it is asked again by itself',
  },
  tpm_worn: {
    severity: 'problem',
    about: 'tpm',
    remedy: 'nothing at once: anchors go on when the budget has filled; anchor less often in keys.tpm if it returns',
  },
  tpm_cleared: {
    severity: 'notice',
    about: 'tpm',
    remedy: 'find out who cleared it: firmware settings, an exchange of the board, or somebody with the box open',
  },
  successor_contested: {
    severity: 'problem',
    about: 'enrolment',
    remedy: 'keep this box as it is and have the enrolment decided: another box may speak in its name',
  },
  successor_unknown: {
    severity: 'problem',
    about: 'enrolment',
    remedy: 'look at the network to the enrolment service, and at what it says of this gateway ("latchkey enrolments")',
  },
  no_open_log: { severity: 'problem', about: 'journal', remedy: DISK },
  writer_away: { severity: 'problem', about: 'journal', remedy: `${DISK}; it opens again by itself` },
  disk_room: {
    severity: 'problem',
    about: 'disk',
    remedy:
      'make room, or raise journal.size_max_mib; what is receipted is pruned by itself, so look at the receipts, too',
  },
  key_away: {
    severity: 'problem',
    about: 'journal',
    remedy: 'see where the key of the log is: keys/ in the data directory, or the TPM ("latchkey tpm show")',
  },
  log_breached: {
    severity: 'problem',
    about: 'journal',
    remedy: 'keep the box and its disk for inspection: the disk is older than what it sent, or was changed',
  },
  file_set_aside: {
    severity: 'problem',
    about: 'journal',
    remedy: `keep the file; ${DISK}; what can be read of it is sent by itself`,
  },
  log_gone: {
    severity: 'problem',
    about: 'journal',
    remedy: 'find out who removed the file of the log; the next log tells of it by itself',
  },
  log_left_alone: {
    severity: 'problem',
    about: 'journal',
    remedy: 'start a version of Latchkey that can open it, or mend what the reason names and start again',
  },
  break_is_over: {
    severity: 'notice',
    about: 'journal',
    remedy: 'nothing for the records; find out why it happened, and remove the file when nobody needs it any more',
  },
  polarity_contradicted: {
    severity: 'problem',
    about: 'compartment',
    remedy: 'correct its polarity in gateway.yaml and start again, or run "latchkey commission" for it',
  },
  stop_pick: {
    severity: 'notice',
    about: 'opening',
    remedy: 'an administrator resumes, here or with "latchkey resume"',
  },
  console_away: {
    severity: 'notice',
    about: 'gateway',
    remedy: 'see console.web in gateway.yaml: is its port free, and can its certificate be read?',
  },
  console_restarted: {
    severity: 'notice',
    about: 'gateway',
    remedy: 'the log of the daemon says more; look for whoever asks the page for too much',
  },
} as const satisfies Readonly<Record<string, FindingKind>>;

export type FindingName = keyof typeof FINDINGS;

/** `remedy`: of whoever knows better than the table. */
export function finding(kind: FindingName, text: string, name?: string, remedy?: string): Finding {
  const { severity, about, remedy: usual } = FINDINGS[kind];
  return { severity, about, ...(name !== undefined && { name }), text, remedy: remedy ?? usual };
}

/** In sentences, as `latchkey status` has them. */
export function textsOf(findings: readonly Finding[], severity: Finding['severity']): readonly string[] {
  return findings.filter((each) => each.severity === severity).map(({ text }) => text);
}
