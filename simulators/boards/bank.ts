/**
 * The cabinet itself: compartments with a door and perhaps an item, which hands and boards act upon.
 *
 * It knows no protocol. Boards read it when they are asked, so what a driver sees is what is true at that moment.
 */
import { LatchkeyError } from '../../src/base/errors.ts';

export interface CompartmentSettings {
  readonly name: string;
  readonly board: string;
  /** Channel as printed on the board, from 1. */
  readonly channel: number;
}

export interface Cell extends CompartmentSettings {
  readonly door: 'open' | 'shut';
  readonly item: boolean;
}

/** What a compartment is looked at with. */
export const SENSORS = ['door', 'item'] as const;
export type Sensor = (typeof SENSORS)[number];

/** Who moved a door. */
export type MovedBy = 'hand' | 'lock';
export type CellListener = (cell: Cell, by: MovedBy) => void;

export class LockerBank {
  readonly #cells = new Map<string, Cell>();
  readonly #byChannel = new Map<string, string>();
  /** What sensors that failed go on reporting. */
  readonly #stuck = new Map<string, Partial<Pick<Cell, Sensor>>>();
  readonly #listeners = new Set<CellListener>();

  constructor(compartments: readonly CompartmentSettings[]) {
    for (const { name, board, channel } of compartments) {
      const wire = wireOf(board, channel);
      if (this.#cells.has(name)) throw new LatchkeyError('CONFIG_INVALID', `two compartments are named ${name}`);
      if (this.#byChannel.has(wire)) throw new LatchkeyError('CONFIG_INVALID', `two compartments on ${wire}`);
      this.#cells.set(name, { name, board, channel, door: 'shut', item: false });
      this.#byChannel.set(wire, name);
    }
  }

  cells(): readonly Cell[] {
    return [...this.#cells.values()];
  }

  cell(name: string): Cell {
    const cell = this.#cells.get(name);
    if (cell === undefined) throw new LatchkeyError('USAGE', `no compartment is named ${name}`);
    return cell;
  }

  /** A compartment as its sensors report it, which is not how it is once one of them failed. */
  sensed(name: string): Cell {
    return { ...this.cell(name), ...this.#stuck.get(name) };
  }

  sensedAt(board: string, channel: number): Cell | undefined {
    const cell = this.at(board, channel);
    return cell === undefined ? undefined : this.sensed(cell.name);
  }

  failed(name: string): readonly Sensor[] {
    const stuck = this.#stuck.get(name) ?? {};
    return SENSORS.filter((sensor) => stuck[sensor] !== undefined);
  }

  /** The sensor goes on reporting what it reports now, whatever happens. */
  fail(name: string, sensor: Sensor): void {
    this.#stuck.set(name, { ...this.#stuck.get(name), [sensor]: this.sensed(name)[sensor] });
    this.#tell(this.cell(name));
  }

  /** Its sensors are sound again. */
  mend(name: string): void {
    this.#stuck.delete(name);
    this.#tell(this.cell(name));
  }

  /** What is wired to a channel; undefined where no lock hangs on it. */
  at(board: string, channel: number): Cell | undefined {
    const name = this.#byChannel.get(wireOf(board, channel));
    return name === undefined ? undefined : this.#cells.get(name);
  }

  open(name: string, by: MovedBy = 'hand'): void {
    this.#change(this.cell(name), { door: 'open' }, by);
  }

  shut(name: string): void {
    this.#change(this.cell(name), { door: 'shut' });
  }

  /** Hands reach in through an open door only; a sensor that lies is `pretendItem`. */
  put(name: string): void {
    this.#reachIn(name, true);
  }

  take(name: string): void {
    this.#reachIn(name, false);
  }

  /** Sets what the item sensor reports, whatever the door does: a blinded or failed sensor. */
  pretendItem(name: string, item: boolean): void {
    this.#change(this.cell(name), { item });
  }

  onChange(listener: CellListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #reachIn(name: string, item: boolean): void {
    const cell = this.cell(name);
    if (cell.door === 'shut') throw new LatchkeyError('USAGE', `the door of ${name} is shut: open it first`);
    this.#change(cell, { item });
  }

  #change(cell: Cell, change: Partial<Pick<Cell, 'door' | 'item'>>, by: MovedBy = 'hand'): void {
    const next = { ...cell, ...change };
    if (next.door === cell.door && next.item === cell.item) return;
    this.#cells.set(cell.name, next);
    this.#tell(next, by);
  }

  #tell(cell: Cell, by: MovedBy = 'hand'): void {
    for (const listener of this.#listeners) listener(cell, by);
  }
}

function wireOf(board: string, channel: number): string {
  return `${board}/${channel}`;
}
