/**
 * What RMC and GGA say together of one moment. Pure.
 *
 * Receivers send several sentences for each moment. They must agree: a void one voids the moment, and two positions that
 * differ are none. A moment that comes again is no new one: a receiver that repeats itself has stopped.
 */
import type { PositionReading } from '../../contracts/reading.ts';
import type { Fix, PositionSaid } from './sentence.ts';

/** Millionths of a degree, some two metres: the same fix in two sentences differs by rounding alone. */
const AGREE_MAX = 20;

export interface Epoch {
  readonly time: string;
  readonly said: readonly PositionSaid[];
  /** Time of day of the newest moment that was handed on. */
  readonly doneTime: string | undefined;
}

export const FIRST_EPOCH: Epoch = { time: '', said: [], doneTime: undefined };

export type Moment = Pick<PositionReading, 'fix'>;

/** A sentence of another moment ends the one before; so does the second of one kind. */
export function stepEpoch(epoch: Epoch, said: PositionSaid): { readonly epoch: Epoch; readonly ended?: Moment } {
  const isSame =
    epoch.said.length > 0 && said.time === epoch.time && !epoch.said.some(({ type }) => type === said.type);
  if (isSame) return { epoch: { ...epoch, said: [...epoch.said, said] } };
  const { epoch: done, ended } = endEpoch(epoch);
  const next: Epoch = { ...done, time: said.time, said: [said] };
  return ended === undefined ? { epoch: next } : { epoch: next, ended };
}

/** Nothing more of this moment will come. Undefined when there is nothing new to say. */
export function endEpoch(epoch: Epoch): { readonly epoch: Epoch; readonly ended?: Moment } {
  if (epoch.said.length === 0) return { epoch };
  const { time } = epoch;
  const rest: Epoch = { ...epoch, said: [], doneTime: time };
  const isOld = time !== '' && time === epoch.doneTime;
  return isOld ? { epoch: rest } : { epoch: rest, ended: momentOf(epoch.said) };
}

function momentOf(said: readonly PositionSaid[]): Moment {
  const fixes = said.flatMap(({ fix }) => (fix === undefined ? [] : [fix]));
  const [first] = fixes;
  if (first === undefined || fixes.length < said.length || !fixes.every((fix) => agree(first, fix))) return {};
  const wallMs = said.find((one) => one.wallMs !== undefined)?.wallMs;
  const accuracyM = said.find((one) => one.accuracyM !== undefined)?.accuracyM;
  return {
    fix: {
      ...first,
      ...(wallMs === undefined ? {} : { wallMs }),
      ...(accuracyM === undefined ? {} : { accuracyM }),
    },
  };
}

function agree(a: Fix, b: Fix): boolean {
  return Math.abs(a.latitude - b.latitude) <= AGREE_MAX && Math.abs(a.longitude - b.longitude) <= AGREE_MAX;
}
