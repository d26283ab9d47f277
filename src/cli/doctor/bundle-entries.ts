/** The newest entries of the journal, as types and counts: no parcel, no code, no time of a person's visit. */
import { messageOf } from '../../base/errors.ts';
import { callControl } from '../../edge/control/client.ts';
import { tailOffline } from '../../edge/gateway/journal-tools.ts';
import { isRecord, type KnownSettings, socketOf } from './known-settings.ts';

export const ENTRIES_MAX = 1_000;
const SILENCE_MAX_MS = 30_000;
const TYPE = /^[a-z][a-z0-9_.]{0,63}$/;
const OTHER = 'other';

export interface EntryTypes {
  readonly newest: number;
  readonly counts: Readonly<Record<string, number>>;
  /** `[index, type]`, oldest first. */
  readonly in_order: readonly (readonly [number, string])[];
}

export async function newestTypes(
  known: KnownSettings,
  isRunning: boolean,
  signal: AbortSignal,
): Promise<EntryTypes | { readonly not_read: string }> {
  const { gateway } = known.parts;
  const socketPath = socketOf(known);
  if (gateway === undefined || socketPath === undefined) return { not_read: 'no settings name a data_dir' };
  const order: [number, string][] = [];
  const item = (line: unknown): void => {
    order.push(typeOf(String(line)));
  };
  try {
    if (isRunning) {
      const args = { lines: ENTRIES_MAX };
      await callControl({ verb: 'tail', args, socketPath, silenceMaxMs: SILENCE_MAX_MS, signal, onItem: item });
    } else await tailOffline(gateway.data_dir, ENTRIES_MAX, item);
  } catch (error) {
    return { not_read: messageOf(error) };
  }
  const newest = order.slice(-ENTRIES_MAX);
  const counts = new Map<string, number>();
  for (const [, type] of newest) counts.set(type, (counts.get(type) ?? 0) + 1);
  return { newest: newest.length, counts: Object.fromEntries([...counts].sort()), in_order: newest };
}

function typeOf(line: string): [number, string] {
  const leaf: unknown = parsed(line);
  if (!isRecord(leaf)) return [-1, OTHER];
  const { n, type, reduced } = leaf;
  const word = reduced === true ? 'reduced' : typeof type === 'string' && TYPE.test(type) ? type : OTHER;
  return [typeof n === 'number' ? n : -1, word];
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
