/**
 * What is written of the room at a change: the parts that the change touched, and no more.
 *
 * Compartments lie in parts of a few, in the order of the settings; scans, visits and instruments in a head of their own.
 * Each part is a snapshot by itself, so the text of version 0.1, which holds the whole room, is read as one of them. How
 * long ago a door was looked at goes on without a change; so each time one more part goes along, in turn, and after a
 * crash no look is older than as many changes as there are parts.
 */
import type { JsonObject } from '../../evidence/event/event.ts';
import type { Compartment } from './compartment.ts';
import type { WaitingScan } from './scans.ts';
import { COMPARTMENTS_MAX, type CompartmentSettings } from './settings.ts';
import { type Restored, readSnapshot, type SnapshotExtras, type StartPlace, takeSnapshot } from './snapshot.ts';

/** At most 2 KiB each: a part stays within a few pages of a database. */
export const PART_COMPARTMENTS = 16;
export const PARTS_MAX = Math.ceil(COMPARTMENTS_MAX / PART_COMPARTMENTS);

export interface SavedPart {
  /** Absent: the head. */
  readonly number?: number;
  readonly state: JsonObject;
}

export interface SavedRoom {
  readonly states: ReadonlyMap<string, Compartment>;
  readonly waiting: readonly WaitingScan[];
  readonly extras: SnapshotExtras;
}

export class SavedParts {
  readonly #home: StartPlace;
  readonly #parts: readonly (readonly CompartmentSettings[])[];
  readonly #partOf = new Map<string, number>();
  readonly #touched = new Set<number>();
  #turn = 0;

  /** `commissioned`: those of which anything is kept. */
  constructor(commissioned: readonly CompartmentSettings[], home: StartPlace) {
    this.#home = home;
    const parts: CompartmentSettings[][] = [];
    for (const [i, each] of commissioned.entries()) {
      const number = Math.floor(i / PART_COMPARTMENTS);
      this.#partOf.set(each.name, number);
      parts[number] = [...(parts[number] ?? []), each];
    }
    this.#parts = parts;
  }

  touch(name: string): void {
    const number = this.#partOf.get(name);
    if (number !== undefined) this.#touched.add(number);
  }

  /** The head, what was touched since the last call, and one part more; or all, where a start or a log begins. */
  take({ states, waiting, extras }: SavedRoom, whole: boolean): readonly SavedPart[] {
    if (whole) for (const number of this.#parts.keys()) this.#touched.add(number);
    else if (this.#parts.length > 0) this.#touched.add(this.#turn);
    this.#turn = (this.#turn + 1) % Math.max(1, this.#parts.length);
    const numbers = [...this.#touched];
    this.#touched.clear();
    const { place } = extras;
    return [
      { state: takeSnapshot([], states, waiting, this.#home, extras) },
      ...numbers.map((number) => {
        return { number, state: takeSnapshot(this.#parts[number] ?? [], states, [], this.#home, { place }) };
      }),
    ];
  }
}

/**
 * What the parts say together, the head first. A part of another start than the head's is from before a version that did
 * not know of parts was run: the head knows better. `unreadable` when one of them is no snapshot.
 */
export function readParts(
  values: readonly unknown[],
  settings: readonly CompartmentSettings[],
  home: StartPlace,
): { readonly parts: readonly Restored[]; readonly unreadable: boolean } {
  const read = values.map((value) => readSnapshot(value, settings, home));
  const [head] = read;
  const parts = read.filter((part) => part !== undefined);
  const unreadable = parts.length < read.length;
  // Without its head a part says nothing that could be placed in time.
  if (head === undefined) return { parts: [], unreadable };
  return { parts: parts.filter(({ log, boot }) => log === head.log && boot === head.boot), unreadable };
}
