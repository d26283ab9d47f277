/**
 * Whom entries concern that name no parcel: of a forced door, or a power cut, or a spent code that is tried again.
 *
 * The fold says which they can be. An entry that came in its turn (`gateway-order.ts`) stands behind all others of its
 * gateway, so that maintenance, faults and power, which excuse what comes after them, change nothing yet; a door changes
 * what lies behind it now; and a code that is tried again what lay where its grant opened, at that time. An entry that came
 * out of its turn, or whose clock went back, concerns all that ever named its compartment, or its gateway.
 *
 * Points of many entries are taken together, so that one walk over a gateway serves all of them.
 */
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { codeKeyOf, isSpentCode } from '../ledger/select.ts';

/** In the order of a gateway's entries. */
export interface Turn {
  readonly log: number;
  readonly n: number;
}

interface Point extends Turn {
  readonly gateway: string;
  readonly compartment?: string;
  readonly what: 'circumstance' | 'door' | 'spent' | 'grant';
  /** Key of the mentions of a code's grants. */
  readonly code?: string;
}

/** Parcels that lay in a compartment, or in any, at some time between two turns; ends are inside. */
export interface Span {
  readonly gateway: string;
  readonly compartment: string | undefined;
  readonly from: Turn;
  readonly to: Turn;
}

/** Every parcel that was ever there: in the whole gateway, or in these compartments. */
export type Wide = ReadonlyMap<string, 'all' | ReadonlySet<string>>;

export interface Concerned {
  readonly spans: readonly Span[];
  readonly wide: Wide;
}

export interface Known {
  /** Up to where entries came out of their turn; all of them did where it is not known. */
  readonly upset: ReadonlyMap<string, Turn>;
  /** By code. Undefined where they are too many to be listed. */
  readonly grants: ReadonlyMap<string, readonly Grant[]> | undefined;
  /** Of codes whose grants came out of their turn, those that were tried again, ever. Undefined where they are too many. */
  readonly refused: ReadonlySet<string> | undefined;
}

export interface Grant extends Turn {
  readonly compartment: string;
}

const DOORS: ReadonlySet<string> = new Set(['door.forced', 'tamper.raised', 'compartment.disturbed', 'access.granted']);

/** Of an entry that is noted as one around its gateway, or as the grant of a code. */
export function pointOf(gateway: string, turn: Turn, event: CustodyEvent, isAround: boolean): Point | undefined {
  const { compartment, type } = event;
  const place = { gateway, ...turn, ...(compartment !== undefined && { compartment }) };
  const code = codeKeyOf(gateway, event);
  if (isSpentCode(event)) return code === undefined ? undefined : { ...place, what: 'spent', code };
  if (!isAround) return code === undefined ? undefined : { ...place, what: 'grant', code };
  // Those that it names are looked at for themselves, and no other is told of it.
  if (event.parcel !== undefined) return undefined;
  return { ...place, what: DOORS.has(type) ? 'door' : 'circumstance' };
}

export class Around {
  /** Of one kind in one compartment only the first and the last are kept: what lies between concerns no others. */
  readonly #points = new Map<string, { readonly first: Point; readonly last: Point }>();

  add(point: Point): void {
    const { gateway, compartment, what, code } = point;
    const key = JSON.stringify([gateway, compartment, what, code]);
    const known = this.#points.get(key);
    if (known === undefined) this.#points.set(key, { first: point, last: point });
    else {
      const first = isBefore(point, known.first) ? point : known.first;
      this.#points.set(key, { first, last: isBefore(known.last, point) ? point : known.last });
    }
  }

  get gateways(): readonly string[] {
    return [...new Set([...this.#points.values()].map(({ first }) => first.gateway))];
  }

  /** Codes that were tried again. */
  get codes(): readonly string[] {
    return [
      ...new Set(
        [...this.#points.values()].flatMap(({ first: { what, code } }) => (what === 'spent' ? (code ?? []) : [])),
      ),
    ];
  }

  /** Gateways of grants that came out of their turn. */
  lateGrants(upset: Known['upset']): readonly string[] {
    const late = [...this.#points.values()].filter(
      ({ first }) => first.what === 'grant' && isUpsetAt(upset.get(first.gateway), first),
    );
    return [...new Set(late.map(({ first }) => first.gateway))];
  }

  concerned(known: Known): Concerned {
    const spans: Span[] = [];
    const wide = new Map<string, 'all' | Set<string>>();
    const widen = (gateway: string, compartment: string | undefined): void => {
      const before = wide.get(gateway);
      if (before === 'all') return;
      if (compartment === undefined) wide.set(gateway, 'all');
      else wide.set(gateway, (before ?? new Set()).add(compartment));
    };
    for (const { first, last } of this.#points.values()) {
      const { gateway, compartment, what, code = '' } = first;
      const isUpset = (turn: Turn): boolean => isUpsetAt(known.upset.get(gateway), turn);
      if (what === 'grant') {
        // It says something only where its code was tried again, whenever that was.
        if (isUpset(first) && known.refused?.has(code) !== false) widen(gateway, compartment);
        continue;
      }
      if (isUpset(first)) widen(gateway, compartment);
      else if (what === 'door') spans.push({ gateway, compartment, from: first, to: last });
      if (what !== 'spent') continue;
      if (known.grants === undefined) widen(gateway, undefined);
      for (const grant of known.grants?.get(code) ?? []) {
        if (isUpset(grant)) widen(gateway, grant.compartment);
        else spans.push({ gateway, compartment: grant.compartment, from: grant, to: grant });
      }
    }
    return { spans, wide };
  }
}

function isUpsetAt(upset: Turn | undefined, turn: Turn): boolean {
  return upset === undefined || !isBefore(upset, turn);
}

function isBefore(a: Turn, b: Turn): boolean {
  return a.log < b.log || (a.log === b.log && a.n < b.n);
}
