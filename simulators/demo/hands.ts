/**
 * Hands that use the locker as people do, and wait for the gateway to have recorded each step.
 */
import type { CustodyEvent } from '../../src/evidence/event/event.ts';
import { sscc, ssccLabel } from '../scanners/codes.ts';
import type { Site } from '../site.ts';
import { about, type Feed } from './feed.ts';
import { COMPARTMENTS, DESK } from './stage.ts';

export interface Parcel {
  /** How the story calls it. */
  readonly title: string;
  readonly sscc: string;
}

/** `quick`: quicker than people are, where nobody asks for the evidence later. */
export type Pace = 'quick' | 'unhurried';

const UNHURRIED_MS = 3_400;

export function parcelOf(serial: number): Parcel {
  return { title: `parcel ${serial}`, sscc: sscc(serial) };
}

export class Hands {
  readonly #site: Site;
  readonly #feed: Feed;

  constructor(site: Site, feed: Feed) {
    this.#site = site;
    this.#feed = feed;
  }

  /** A courier scans the label, opens the door, puts the parcel in, shuts the door. Resolves with the closing entry. */
  async deposit(parcel: Parcel, compartment: string, pace: Pace = 'quick'): Promise<CustodyEvent> {
    await this.scan(parcel);
    return this.#through(compartment, () => this.#site.put(compartment), true, pace);
  }

  /** A label is scanned, a door opened and shut again, and nothing was put in. */
  async pretend(parcel: Parcel, compartment: string): Promise<CustodyEvent> {
    await this.scan(parcel);
    return this.#through(compartment, () => undefined, undefined, 'unhurried');
  }

  /**
   * The recipient opens the door, takes the parcel out, shuts the door. Where no sensor sees that it is gone, its label
   * is scanned: an open door alone proves nothing.
   */
  async collect(parcel: Parcel, compartment: string): Promise<CustodyEvent> {
    if (!hasSensor(compartment)) await this.scan(parcel);
    return this.#through(compartment, () => this.#site.take(compartment), false);
  }

  /** Somebody opens a door and takes what lies there. */
  take(compartment: string): Promise<CustodyEvent> {
    return this.#through(compartment, () => this.#site.take(compartment), false);
  }

  /** Somebody opens a door, looks in and shuts it. */
  lookInto(compartment: string): Promise<CustodyEvent> {
    return this.#through(compartment, () => undefined, undefined);
  }

  async scan(parcel: Parcel): Promise<void> {
    const mark = this.#feed.size;
    this.#site.scan(DESK, ssccLabel(parcel.sscc));
    await this.#feed.after(mark, 'scan', (entry) => entry.type === 'code.scanned');
  }

  async open(compartment: string): Promise<void> {
    const mark = this.#feed.size;
    this.#site.open(compartment);
    await this.#feed.after(mark, `opening of ${compartment}`, about('door.opened', compartment));
  }

  /** Shuts the door and waits for what closes the episode. */
  async shut(compartment: string): Promise<CustodyEvent> {
    const mark = this.#feed.size;
    this.#site.shut(compartment);
    return this.#feed.after(mark, `end of the visit to ${compartment}`, closes(compartment));
  }

  async #through(
    compartment: string,
    act: () => void,
    occupied: boolean | undefined,
    pace: Pace = 'quick',
  ): Promise<CustodyEvent> {
    const openedMs = performance.now();
    await this.open(compartment);
    const mark = this.#feed.size;
    act();
    if (hasSensor(compartment) && occupied !== undefined) {
      await this.#feed.after(mark, `item change in ${compartment}`, about('occupancy.changed', compartment));
    }
    if (pace === 'unhurried') await standOpen(openedMs);
    return this.shut(compartment);
  }
}

/** Until the door has stood open as long as a person needs: quicker is not believed. */
export async function standOpen(openedMs: number): Promise<void> {
  const restMs = openedMs + UNHURRIED_MS - performance.now();
  if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
}

function hasSensor(compartment: string): boolean {
  return COMPARTMENTS.some(({ name, sensor }) => name === compartment && sensor);
}

/** The entry that ends a visit to a compartment. */
function closes(compartment: string): (entry: CustodyEvent) => boolean {
  return ({ type, compartment: where }) =>
    where === compartment && (type.startsWith('parcel.') || type === 'compartment.disturbed');
}
