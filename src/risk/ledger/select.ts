/**
 * Which entries are about a parcel: those that name it, and those about the compartments and gateways where it lay,
 * which say what happened to it without knowing it.
 */
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { isObject, list } from './episode.ts';
import type { LedgerEntry } from './inputs.ts';

/** About a compartment, or about a whole gateway, whichever parcel lies there. */
const AROUND: ReadonlySet<string> = new Set([
  'door.forced',
  'tamper.raised',
  'compartment.disturbed',
  'maintenance.opened',
  'maintenance.closed',
  'device.faulted',
  'device.found',
  'power.lost',
  'power.restored',
]);

const ATTEMPTS_MAX = 3;

/** Somebody was let in after more tries than an honest memory needs. */
export function isGuessed({ type, data: { attempts } }: CustodyEvent): boolean {
  return type === 'access.granted' && typeof attempts === 'number' && attempts > ATTEMPTS_MAX;
}

/** Somebody tried a code that had been used up. Which compartment it was for, only its grant says. */
export function isSpentCode({ type, data: { reason, credential } }: CustodyEvent): boolean {
  return type === 'access.refused' && reason === 'used' && typeof credential === 'string';
}

export function isAround(event: CustodyEvent): boolean {
  return AROUND.has(event.type) || isGuessed(event) || isSpentCode(event);
}

/** Of the grant of a code for a compartment, and of its refusal once it is spent. */
export function codeKeyOf(gateway: string, event: CustodyEvent): string | undefined {
  const { credential } = event.data;
  const opened = event.type === 'access.granted' && event.compartment !== undefined;
  return typeof credential === 'string' && (opened || isSpentCode(event)) ? `code ${gateway} ${credential}` : undefined;
}

/** Whether the parcels that it names lie in its compartment after it: the fold puts none there, and takes none away, for any other. */
export function liesAfter({ type }: CustodyEvent): boolean | undefined {
  if (type === 'parcel.deposited' || type === 'parcel.returned') return true;
  return type === 'parcel.collected' || type === 'parcel.removed' ? false : undefined;
}

/** References of the parcels that an event names. */
export function parcelsOf({ parcel, data }: CustodyEvent): readonly string[] {
  const others = [...list(data['parcels']), ...list(data['held'])].flatMap((one) => {
    const ref = isObject(one) ? one['ref'] : undefined;
    return typeof ref === 'string' ? [ref] : [];
  });
  return [...new Set([...(parcel === undefined ? [] : [parcel.ref]), ...others])];
}

/** What happened around a gateway counts from so long before anything was stored of the parcel. */
export const AROUND_DAYS = 14;
const AROUND_MS = AROUND_DAYS * 86_400_000;

/** Entries of several parcels, so that those about each are found without a look at all the others. */
export class EntryIndex {
  readonly #named = new Map<string, LedgerEntry[]>();
  /** By gateway. */
  readonly #around = new Map<string, LedgerEntry[]>();
  /** Codes that were tried again. */
  readonly #spent = new Set<string>();

  constructor(entries: readonly LedgerEntry[]) {
    for (const entry of entries) {
      for (const ref of parcelsOf(entry.event)) put(this.#named, ref, entry);
      const code = codeKeyOf(entry.gateway, entry.event);
      if (code !== undefined && isSpentCode(entry.event)) this.#spent.add(code);
      if ((code !== undefined || isAround(entry.event)) && entry.event.parcel === undefined)
        put(this.#around, entry.gateway, entry);
    }
  }

  /** Which do not depend on what else was read. */
  about(parcelRef: string): readonly LedgerEntry[] {
    const named = this.#named.get(parcelRef) ?? [];
    const places = new Set(named.map(({ gateway, event }) => `${gateway} ${event.compartment ?? ''}`));
    const fromMs = Math.min(...named.map(({ storedMs = 0 }) => storedMs)) - AROUND_MS;
    const gateways = [...new Set(named.map(({ gateway }) => gateway))];
    const around = gateways
      .flatMap((gateway) => this.#around.get(gateway) ?? [])
      .filter(({ gateway, event, storedMs = fromMs + 1 }) => {
        if (storedMs <= fromMs || parcelsOf(event).includes(parcelRef)) return false;
        // A grant says something only where its code was tried again.
        if (!isAround(event) && !this.#spent.has(codeKeyOf(gateway, event) ?? '')) return false;
        return event.compartment === undefined || places.has(`${gateway} ${event.compartment}`);
      });
    return [...named, ...around];
  }
}

function put(index: Map<string, LedgerEntry[]>, name: string, entry: LedgerEntry): void {
  const own = index.get(name);
  if (own === undefined) index.set(name, [entry]);
  else own.push(entry);
}

export function entriesAbout(parcelRef: string, entries: readonly LedgerEntry[]): readonly LedgerEntry[] {
  return new EntryIndex(entries).about(parcelRef);
}
