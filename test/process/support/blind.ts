/** What a gateway says that it could not record, and what of the scans is accounted for. */
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { scanNumbers } from './oracle.ts';
import type { Rig } from './rig.ts';

export interface Blind {
  readonly cause: string;
  readonly events: number;
  /** Of them, scans. */
  readonly scans: number;
}

/** The signed blind windows in the consumer's files. */
export function blindWindows(rig: Rig): readonly Blind[] {
  const events = rig.stored().flatMap((log) => log.entries.map(({ line }) => JSON.parse(line) as CustodyEvent));
  return events.flatMap(({ type, data }) => {
    if (type !== 'exception.reported' || data['what'] !== 'events_not_recorded') return [];
    const blind = data['blind'] as unknown as {
      readonly cause: string;
      readonly events: number;
      readonly by_type: readonly { readonly type: string; readonly count: number }[];
    };
    const scans = blind.by_type.find((one) => one.type === 'code.scanned')?.count ?? 0;
    return [{ cause: blind.cause, events: blind.events, scans }];
  });
}

/** Scans that are stored, once each, and scans that were counted as not recorded. */
export function accounted(rig: Rig): { readonly stored: number; readonly blind: number; readonly made: number } {
  const numbers = rig.stored().flatMap(({ entries }) => scanNumbers(entries.map(({ line }) => line)));
  if (new Set(numbers).size !== numbers.length) throw new Error('a scan is stored twice');
  const blind = blindWindows(rig).reduce((sum, one) => sum + one.scans, 0);
  return { stored: numbers.length, blind, made: rig.feed.last };
}
