/** How much it matters that an event is soon anchored, and the heaviest that lies beyond a size. */

export type EventWeight = 'parcel' | 'entries' | 'idle';

const LIGHT_AND_HEAVY: ReadonlyMap<string, EventWeight> = new Map<string, EventWeight>([
  ['parcel.deposited', 'parcel'],
  ['parcel.collected', 'parcel'],
  ['parcel.returned', 'parcel'],
  ['parcel.removed', 'parcel'],
  ['compartment.disturbed', 'parcel'],
  ['custody.handed_over', 'parcel'],
  ['anchor.made', 'idle'],
  ['gateway.alive', 'idle'],
]);

/** Of one open log: where the newest event of each weight stands. */
export class EventWeights {
  #parcel = -1;
  #entries: number;

  /** What was recorded before this run is not looked at again: it counts as entries. */
  constructor(sizeBefore: number) {
    this.#entries = sizeBefore - 1;
  }

  /** Called for each durable event. */
  add(type: string, index: number): void {
    const weight = LIGHT_AND_HEAVY.get(type);
    if (weight === undefined) this.#entries = index;
    else if (weight === 'parcel') this.#parcel = index;
  }

  /** The heaviest event at `size` or above. */
  beyond(size: number): EventWeight {
    if (this.#parcel >= size) return 'parcel';
    return this.#entries >= size ? 'entries' : 'idle';
  }
}
