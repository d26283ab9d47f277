/**
 * Contradictions between what is claimed and what was seen: each with its weight, and the innocent causes that must be
 * looked for before it is believed. The ledger finds them; here stands what they mean for a refund.
 */
export interface ContradictionRow {
  readonly name: string;
  readonly severity: 'hard' | 'soft';
  /** What a hard one asks for. `investigate`: the customer is paid, and somebody finds out who had it. */
  readonly action: 'hold' | 'review' | 'investigate' | 'note';
  /** Of one that is usually soft, and is hard: since the second edition of the facts. */
  readonly hardAction?: 'hold';
  /** What an analyst rules out first. */
  readonly innocent: readonly string[];
  readonly customer: string;
  readonly analyst: string;
}

export const CONTRADICTIONS = {
  C01: row(
    'scan_no_door',
    'hard',
    'hold',
    ['events of the gateway not yet arrived'],
    'We could not match the scan with a locker door.',
    'A scan without an opening of the door in its window',
  ),
  C02: row(
    'door_no_auth',
    'hard',
    'investigate',
    ['a technician, with a maintenance window'],
    'A locker door was opened without permission.',
    'A door opened with no session, command or code',
  ),
  C03: row(
    'deposit_no_occupancy',
    'hard',
    'hold',
    ['a faulty item sensor'],
    'The locker did not detect an item.',
    'The door shut and the item sensor reads empty',
  ),
  C04: {
    ...row(
      'weight_mismatch',
      'soft',
      'review',
      ['a wrong declared weight'],
      'The weight differs from what we expected.',
      'Measured and expected weight differ by more than the tolerance',
    ),
    // Another parcel, and no scale that drifts.
    hardAction: 'hold',
  },
  C05: row(
    'empty_parcel',
    'hard',
    'hold',
    ['a wrong weight in the catalogue'],
    'The parcel seems to be empty.',
    'The parcel weighs no more than its packaging',
  ),
  C06: row(
    'reopen_after_deposit',
    'hard',
    'investigate',
    ['a courier who sorted shelves, with a session'],
    'The locker was opened again after your parcel was put in.',
    'The door opened between deposit and collection without the recipient',
  ),
  // Somebody else's parcels may still be taken there: to let the box open no door (`stop_pick`) is a signed command, whose
  // key no service has, so that nobody stops a fleet by what a switch says. The case that this opens proposes it.
  C07: row(
    'forced_door',
    'hard',
    'investigate',
    ['a glitch of the sensor: two reads are needed'],
    'The locker door was forced.',
    'The door opened while the lock was engaged, or tampering was sensed',
  ),
  C08: row(
    'offline_gap',
    'soft',
    'review',
    ['a power cut that the log names'],
    'The locker was offline at that time.',
    'A gap in the log, or in the observation of the door, covers the episode',
  ),
  C09: row(
    'two_places',
    'hard',
    'hold',
    ['a copied label', 'two parcels with one number'],
    'The parcel was reported in two places.',
    'Two sightings further apart than anything travels',
  ),
  C10: row(
    'compartment_conflict',
    'hard',
    'hold',
    ['several parcels in one compartment, when allowed'],
    'The compartment was already in use.',
    'A second deposit in an occupied compartment',
  ),
  C11: row(
    'collect_before_deposit',
    'hard',
    'hold',
    ['a wrong clock', 'late arrival'],
    'The order of events is not clear yet.',
    'A collection before any deposit',
  ),
  C12: row(
    'duplicate_parcel',
    'hard',
    'hold',
    ['a new label on an old number'],
    'The parcel number appears twice.',
    'The same parcel lies in two compartments',
  ),
  C13: row(
    'otp_abuse',
    'hard',
    'hold',
    [],
    'The pickup code was misused.',
    'A code replayed, guessed at, or used from a courier session',
  ),
  C14: row(
    'geofence_miss',
    'hard',
    'hold',
    ['a position that is not accurate'],
    'The delivery was confirmed from another place.',
    'A confirmation outside its geofence, accuracy taken off',
  ),
  C15: row(
    'clock_rollback',
    'soft',
    'note',
    ['an empty clock battery'],
    'The time of an event is not certain.',
    'Wall time went back while monotonic time went on',
  ),
  // By itself: its entries count for less (A0 behind a revocation), and what they carry is held. To quarantine the box, or to
  // revoke its key (`latchkey enrolments revoke`), is a person's: a rollout that the policy does not know would end a fleet.
  C16: row(
    'attest_fail',
    'hard',
    'hold',
    ['a firmware that the policy does not know yet'],
    'A device could not prove its identity.',
    'A key, quote or anchor that the policy refuses',
  ),
  // The same bytes alone. Pictures of one empty compartment are alike, and images stay on the box: what is sent is their
  // hash, and a likeness of pixels cannot be had from that without sending a picture of whoever stands there.
  C17: row(
    'photo_reuse',
    'hard',
    'hold',
    ['a fixed camera'],
    'A photo was used before.',
    'The same photo stands for another parcel',
  ),
  C18: row(
    'phantom_return',
    'hard',
    'hold',
    [],
    'We could not confirm that the return arrived.',
    'A refund of a return whose deposit nothing confirms',
  ),
  C19: row(
    'door_implausible',
    'soft',
    'note',
    [],
    'The door was open unusually short or long.',
    'The door was open for less than 2 s or more than 10 min',
  ),
  C20: row(
    'return_not_received',
    'soft',
    'investigate',
    ['a slow warehouse system'],
    'The return has not reached our warehouse yet.',
    'No receipt of the warehouse 72 h after the courier took it',
  ),
  // By itself: nothing more of that log is taken, all that it says is held, and decisions on it get a case. The key is revoked
  // by a person: two roots are the proof of a copy, and which of the two boxes is the copy they do not say.
  C21: row(
    'log_fork',
    'hard',
    'hold',
    [],
    'A device could not prove its records.',
    'Two different roots for one size, signed by one key',
  ),
  C22: row(
    'claim_after_collect',
    'hard',
    'review',
    ['a member of the household collected it'],
    'Our records show that the parcel was collected with your code.',
    'Not received is claimed; a confirmed collection with a code stands against it',
  ),
  C23: row(
    'seal_mismatch',
    'hard',
    'review',
    ['a new seal that nobody recorded'],
    'The seal of the parcel was not the one we put on.',
    'The seal differs, or is broken, at the next custody point',
  ),
  C24: row(
    'self_dealing',
    'hard',
    'hold',
    [],
    'This refund needs another person to look at it.',
    'The operator asked for or approved a refund to the own household',
  ),
} as const satisfies Readonly<Record<string, ContradictionRow>>;

/** What one asks for. Facts of the first edition asked for the same however hard it was, and are decided again as then. */
export function actionOf(
  { code, severity }: { readonly code: ContradictionCode; readonly severity: ContradictionRow['severity'] },
  edition: 2 | undefined,
): ContradictionRow['action'] {
  const { action, hardAction }: ContradictionRow = CONTRADICTIONS[code];
  return edition === 2 && severity === 'hard' ? (hardAction ?? action) : action;
}

export type ContradictionCode = keyof typeof CONTRADICTIONS;
export const CONTRADICTION_CODES = Object.keys(CONTRADICTIONS) as readonly ContradictionCode[];

function row(
  name: string,
  severity: ContradictionRow['severity'],
  action: ContradictionRow['action'],
  innocent: readonly string[],
  customer: string,
  analyst: string,
): ContradictionRow {
  return { name, severity, action, innocent, customer, analyst };
}
