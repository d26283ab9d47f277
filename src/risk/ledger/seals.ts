/**
 * The seal of a parcel: what was declared of it, what was recorded, and whether the two can be compared at all. A gateway
 * records pseudonyms under the key of its operator; a warehouse declares what stands on the label. Neither is the other's
 * lie: two names that are not made the same way say nothing of each other.
 */
import type { JsonObject } from '../../evidence/event/event.ts';
import { normalise, pseudonymKeyId } from '../../evidence/event/reference.ts';

export interface Seals {
  /** The newest that a source declared. */
  readonly declared: string | undefined;
  /** The first that was recorded under each key, and in clear. */
  readonly recorded: readonly string[];
}

export const NO_SEALS: Seals = { declared: undefined, recorded: [] };

/** Keys of operators through whose lockers one parcel goes. */
const RECORDED_MAX = 16;

/** `nothing`: there is nothing to compare with. `cannot_tell`: there is, and it is named in another way. */
export type SealFinding = 'agrees' | 'differs' | 'nothing' | 'cannot_tell';

/** Undefined: only pseudonyms under one key, or two texts in clear, can be compared. */
export function sealsAgree(a: string, b: string): boolean | undefined {
  const [key, other] = [pseudonymKeyId(a), pseudonymKeyId(b)];
  if (key !== other) return undefined;
  return key === undefined ? (normalise('seal', a) ?? a) === (normalise('seal', b) ?? b) : a === b;
}

/** A declaration of another seal than before tells of a new one: what was recorded of the old one says nothing of it. */
export function declareSeal({ declared, recorded }: Seals, seal: string): Seals {
  const isNew = declared !== undefined && sealsAgree(declared, seal) !== true;
  return { declared: seal, recorded: isNew ? [] : recorded.filter((one) => sealsAgree(one, seal) !== false) };
}

export function recordSeal(seals: Seals, seal: string): Seals {
  const isKnown = seals.recorded.some((one) => sealsAgree(one, seal) !== undefined);
  return isKnown || seals.recorded.length >= RECORDED_MAX ? seals : { ...seals, recorded: [...seals.recorded, seal] };
}

/** What a `seal.recorded` with a number says: against what was declared, else what was recorded, else by its gateway's own word. */
export function compareSeal({ declared, recorded }: Seals, seal: string, { agrees }: JsonObject): SealFinding {
  const known = [...(declared === undefined ? [] : [declared]), ...recorded];
  const told = known.map((one) => sealsAgree(one, seal)).find((one) => one !== undefined);
  const said = told ?? (typeof agrees === 'boolean' ? agrees : undefined);
  if (said === undefined) return known.length === 0 ? 'nothing' : 'cannot_tell';
  return said ? 'agrees' : 'differs';
}
