/** Which channel of which board is which compartment, and what a poll of it says. Pure. */
import type { BoardReading, ChannelState } from '../contracts/reading.ts';
import type { CompartmentRead } from './compartment.ts';
import type { CompartmentSettings } from './settings.ts';

/** Commissioned compartments by board and channel. */
export type Wiring = ReadonlyMap<string, ReadonlyMap<number, CompartmentSettings>>;

/** A compartment without a commissioned polarity is not in it. */
export function wiringOf(compartments: readonly CompartmentSettings[]): Wiring {
  const wired = new Map<string, Map<number, CompartmentSettings>>();
  for (const each of compartments) {
    if (each.polarity === undefined) continue;
    const channels = wired.get(each.device) ?? new Map<number, CompartmentSettings>();
    wired.set(each.device, channels.set(each.channel, each));
  }
  return wired;
}

/** Compartments of which the board says that it cannot read their lock. */
export function unreadIn(channels: ReadonlyMap<number, CompartmentSettings>, reading: BoardReading): readonly string[] {
  return (reading.unread ?? []).flatMap((channel) => channels.get(channel)?.name ?? []);
}

export function readOf(
  settings: CompartmentSettings,
  channel: ChannelState,
  reading: BoardReading,
  boot: number,
): CompartmentRead {
  const { observed, askedUpMs } = reading;
  return {
    boot,
    askedMs: Math.min(askedUpMs ?? observed.upMs, observed.upMs),
    atMs: observed.upMs,
    shut: (channel.feedback === 1) === (settings.polarity === 'closed_is_1'),
    item: settings.item_sensor && channel.item !== undefined ? channel.item === 1 : undefined,
  };
}
