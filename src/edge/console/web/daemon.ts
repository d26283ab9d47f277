/** What the page's server asks of the daemon, which alone knows and does. The other side of a socket. */
import type { ActAnswer, ActRequest, ConsoleView, EntryView, JournalPage } from '../../contracts/console-view.ts';

export interface JournalAsk {
  /** Entries below this index; from the newest on without it. */
  readonly before?: number;
  readonly limit: number;
  /** The newest log without it. */
  readonly log?: string;
}

export type Elevation =
  | { readonly kind: 'ticket'; readonly ticket: string; readonly forS: number }
  /** `unknown_person_or_code`, `locked`: nothing more is told. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Who acts, and the proof that the daemon gave for a code. */
export interface Acting {
  readonly person: string;
  readonly ticket: string;
}

/** Each rejects with a LatchkeyError of the daemon's, or with SOCKET_REFUSED when it does not answer. */
export interface Daemon {
  /** Calls until `signal` fires; rejects when the daemon stops saying anything. */
  watch(hear: { view(view: ConsoleView): void; entry(entry: EntryView): void }, signal: AbortSignal): Promise<void>;
  journal(ask: JournalAsk, signal: AbortSignal): Promise<JournalPage>;
  elevate(person: string, code: string, signal: AbortSignal): Promise<Elevation>;
  /** A ticket that does not count (any more) is `refused` with `second_factor`. */
  act(acting: Acting, request: ActRequest, signal: AbortSignal): Promise<ActAnswer>;
  /** Names of the doors that were not commissioned yet, in the order of the settings. */
  notCommissioned(signal: AbortSignal): Promise<readonly string[]>;
  /** A walk that says its steps; its last value. Rejects with USAGE and the like, and KEY_PERMISSIONS without a ticket. */
  walk(
    acting: Acting,
    verb: 'commission' | 'pair',
    args: Readonly<Record<string, unknown>>,
    step: (value: unknown) => void,
    signal: AbortSignal,
  ): Promise<unknown>;
}
