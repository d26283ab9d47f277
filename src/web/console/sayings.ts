/** What the gateway's own words mean to a technician: states of entries, doors, times. */
import type { CompartmentView, ConsoleView, EntryView } from '../../edge/contracts/console-view.ts';
import { agoText, spanText } from '../kit/words.ts';

export type EntryState = EntryView['state'];

export interface StateSaying {
  readonly state: EntryState;
  readonly name: string;
  readonly text: string;
}

export const STATES: readonly StateSaying[] = [
  { state: 'durable', name: 'Durable', text: 'It is on the disk of this box: a power cut does not lose it.' },
  {
    state: 'signed',
    name: 'Signed',
    text: 'A checkpoint with the signature of the log key stands over it: nobody changes it unseen without that key.',
  },
  {
    state: 'anchored',
    name: 'Anchored',
    text: 'The TPM has certified that checkpoint with a counter that only rises: not even this box can take it back.',
  },
  {
    state: 'receipted',
    name: 'Receipted',
    text: 'Every store has it and said so with its own signature: the box may burn.',
  },
];

/** What stands over an entry by now: the view is newer than the row. */
export function stateOf(entry: EntryView, log: ConsoleView['log'] | undefined): EntryState {
  if (log === undefined || entry.log !== log.origin || entry.state === 'receipted') return entry.state;
  if (entry.n < log.receipted) return 'receipted';
  if (entry.state === 'anchored' || (log.anchored !== undefined && entry.n < log.anchored)) return 'anchored';
  return entry.n < log.signed ? 'signed' : entry.state;
}

export const ASSURANCE: Readonly<Record<ConsoleView['assurance'], { readonly name: string; readonly text: string }>> = {
  A0: {
    name: 'A0: software keys',
    text: 'The keys of this gateway lie in files. Its log shows changes by others; it does not prove that this box made no copy of its own keys.',
  },
  anchored: {
    name: 'Anchored by a TPM',
    text: 'The keys are sealed in a TPM, which also certifies the log. Whether it is a real chip, and so A1 or A2, the enrolment of this box decides.',
  },
};

export type DoorLook = 'shut' | 'open' | 'unknown' | 'opening';

export function lookOf({ name, door }: CompartmentView, view: ConsoleView): DoorLook {
  return view.opening.opening.includes(name) ? 'opening' : door;
}

export const DOOR_WORDS: Readonly<Record<DoorLook, string>> = {
  shut: 'Shut',
  open: 'Open',
  unknown: 'Unknown',
  opening: 'Opening…',
};

/** `occupied`, `empty`, or nothing where no sensor says and custody holds nothing. */
export function fillOf({ occupied, held }: CompartmentView): string | undefined {
  if (held > 1) return `${held} parcels`;
  if (held === 1) return occupied === false ? 'parcel not sensed' : 'parcel';
  if (occupied === undefined) return undefined;
  return occupied ? 'occupied' : 'empty';
}

export function gramsText(grams: number): string {
  return grams < 1_000 ? `${Math.round(grams)} g` : `${(grams / 1_000).toFixed(grams < 10_000 ? 2 : 1)} kg`;
}

interface EventTimes {
  readonly clock?: { readonly src?: unknown };
  readonly boot?: unknown;
  readonly up_ms?: unknown;
}

/** In the time zone of who looks; of an event without a clock how long ago it was, if it is of this start. */
export function clockText(entry: EntryView, { upMs, log }: Pick<ConsoleView, 'upMs' | 'log'>): string {
  const { clock, boot, up_ms: eventUpMs } = (entry.event ?? {}) as EventTimes;
  const date = new Date(entry.at);
  if (clock?.src !== 'none' && !Number.isNaN(date.getTime())) return date.toLocaleTimeString('en-GB');
  const isOfThisStart = boot === log.boot && typeof eventUpMs === 'number';
  return isOfThisStart ? agoText(upMs - eventUpMs) : 'no clock';
}

/** With its day, where that is another one. */
export function momentText(ms: number): string {
  const date = new Date(ms);
  const time = date.toLocaleTimeString('en-GB');
  return date.toDateString() === new Date().toDateString() ? time : `${dayText(date.toISOString())}, ${time}`;
}

export function dayText(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  return date.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
}

export function lifeText(years: number | undefined, atLeast: number): string {
  if (years === undefined) return `at least ${Math.floor(atLeast)} years at its pace`;
  return years >= 1 ? `about ${Math.round(years)} years at the present pace` : spanText(years * 31_557_600_000);
}
