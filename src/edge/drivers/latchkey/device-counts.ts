/**
 * What a device's own counters say beyond what the gateway saw itself (PROTOCOL.md section 9): attacks that only the device heard, and
 * events that it dropped, also while no gateway listened. A pure account; what was told stands in the key file.
 */

/** Of COUNTED, those that are told of: as far as they were told. */
export interface ToldCounts {
  readonly forged: number;
  readonly replayed: number;
  readonly skipped: number;
  readonly dropped: number;
}

export type DeviceAttack = 'forged' | 'replayed' | 'skipped';
const ATTACKS: readonly DeviceAttack[] = ['forged', 'replayed', 'skipped'];

export const NOTHING_TOLD: ToldCounts = { forged: 0, replayed: 0, skipped: 0, dropped: 0 };

export interface CountsAccount {
  /** Undefined before the first reading of a device of which nothing is known yet: what was before is nobody's loss. */
  readonly told: ToldCounts | undefined;
  /** Numbers of events that never came in this run of the gateway: below what the device dropped in its boot. */
  readonly missing: number;
}

export interface CountsFinding {
  readonly account: CountsAccount;
  readonly attacks: readonly DeviceAttack[];
  /** Lost events of which nothing was told. */
  readonly lost: number;
}

/** COUNTED came. */
export function counted(account: CountsAccount, counts: Readonly<Record<string, number>>): CountsFinding {
  const { told, missing } = account;
  const now: ToldCounts = {
    forged: counts['forged'] ?? 0,
    replayed: counts['replayed'] ?? 0,
    skipped: counts['skipped'] ?? 0,
    dropped: Math.max(counts['events_dropped'] ?? 0, told?.dropped ?? 0),
  };
  return {
    account: { told: now, missing },
    attacks: told === undefined ? [] : ATTACKS.filter((name) => now[name] > told[name]),
    lost: told === undefined ? 0 : now.dropped - told.dropped,
  };
}

/**
 * Numbers were jumped over. A full queue shows in the device's counters, and was told by them; what it did not count, or cannot, is told by
 * its numbers.
 */
export function jumped(account: CountsAccount, numbers: number): CountsFinding {
  const told = account.told ?? NOTHING_TOLD;
  const missing = account.missing + numbers;
  const dropped = Math.max(told.dropped, missing);
  return { account: { told: { ...told, dropped }, missing }, attacks: [], lost: dropped - told.dropped };
}
