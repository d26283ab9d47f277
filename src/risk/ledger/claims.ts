/** Claims of declared sources: they set what is expected, and confirm a leg where the next custodian speaks. */
import type { Contradiction, ReturnState } from '../decision/facts.ts';
import { judgeWeight, signalOf, weightContradictions } from './episode.ts';
import type { Claim } from './inputs.ts';
import type { Placed } from './order.ts';
import { declareSeal } from './seals.ts';
import type { LedgerSettings } from './settings.ts';
import { accuse, type Fold, heard, isInspected, move } from './state.ts';

/** A later one hides none that a refund came right after. */
const EXCEPTIONS_MAX = 64;

const INSPECTED = {
  ok: 'R_INSPECTED_OK',
  empty: 'R_INSPECTED_EMPTY',
  wrong_item: 'R_INSPECTED_WRONG_ITEM',
  damaged: 'R_INSPECTED_DAMAGED',
} as const satisfies Readonly<Record<string, ReturnState>>;

export function takeClaim(fold: Fold, placed: Placed<Claim>, settings: LedgerSettings): Fold {
  const { body, ref } = placed.input;
  const { atMs } = placed;
  switch (body.what) {
    case 'declared':
      return {
        ...fold,
        expected: {
          ...fold.expected,
          ...(body.weight_g !== undefined && { weightG: body.weight_g }),
          ...(body.packaging_g !== undefined && { packagingG: body.packaging_g }),
        },
        seals: body.seal === undefined ? fold.seals : declareSeal(fold.seals, body.seal),
        promisedByMs: body.promised_by_ms === undefined ? fold.promisedByMs : Math.max(0, body.promised_by_ms),
      };
    case 'handed_to_courier': {
      const { weight_g: handedOverG } = body;
      const weighed = handedOverG === undefined ? fold : { ...fold, expected: { ...fold.expected, handedOverG } };
      if (fold.forward.state !== 'EXPECTED') return weighed;
      return { ...weighed, forward: move(fold.forward, 'WITH_COURIER', 'courier', atMs, ref) };
    }
    case 'delivered':
      return delivered(fold, placed, body, settings);
    case 'exception': {
      const exception = { at_ms: atMs, event: ref, ...(body.operator !== undefined && { operator: body.operator }) };
      const exceptions = [exception, ...fold.exceptions].slice(0, EXCEPTIONS_MAX);
      const waits = fold.forward.state === 'EXPECTED' || fold.forward.state === 'WITH_COURIER';
      return { ...fold, exceptions, ...(waits && { forward: move(fold.forward, 'EXCEPTION', 'courier', atMs, ref) }) };
    }
    case 'collect_by':
      return { ...fold, collectByMs: Math.max(0, body.until_ms) };
    case 'rma_opened':
      return fold.return.state === 'NONE'
        ? { ...fold, return: move(fold.return, 'RMA_OPEN', 'customer', atMs, ref) }
        : fold;
    case 'warehouse_received':
      return received(fold, placed, body.weight_g, settings);
    case 'inspected': {
      const says = body.result === 'ok' ? 'supports' : 'contradicts';
      // An inspection pays by itself: the word of somebody who signs nothing is evidence, and no inspection.
      if (placed.input.level === 'unsigned') {
        return { ...fold, return: heard(fold.return, ref, [signalOf(placed, 'received', says)]) };
      }
      const signals = [...fold.return.signals, signalOf(placed, 'received', says)];
      const known = body.result === 'ok' ? weighedWrong(fold) : fold;
      return { ...known, return: move(fold.return, INSPECTED[body.result], 'warehouse', atMs, ref, signals) };
    }
  }
}

/**
 * Where it was confirmed. That it was outside is a word like any other until its sender, who signs, tells how far and how
 * well that is known: then it is reckoned again here, and only a distance that its accuracy does not explain is held against it.
 */
function delivered(
  fold: Fold,
  placed: Placed<Claim>,
  body: Extract<Claim['body'], { readonly what: 'delivered' }>,
  settings: LedgerSettings,
): Fold {
  const { ref, level = 'declared' } = placed.input;
  const told = heard(fold.forward, ref, [signalOf(placed, 'webhook', 'supports')]);
  const next = { ...fold, forward: told };
  const { distance_m: distanceM, accuracy_m: accuracyM, geofence, to } = body;
  const isReckoned = distanceM !== undefined && accuracyM !== undefined;
  const isVague = accuracyM !== undefined && accuracyM > settings.accuracy_most_m;
  const radiusM = to === 'locker' ? settings.geofence_locker_m : settings.geofence_m;
  const isOutside = isReckoned ? distanceM - accuracyM > radiusM : geofence === 'outside';
  if (!isOutside) return next;
  const severity = isReckoned && level !== 'unsigned' ? 'hard' : 'soft';
  const innocent = isVague ? { innocent: 'a position that is not accurate' } : {};
  return accuse(next, 'forward', [{ code: 'C14', severity, events: [ref], ...innocent }]);
}

/** What the warehouse weighed is judged as the locker's scale is: an empty box that arrived confirms nothing. */
function received(before: Fold, placed: Placed<Claim>, weightG: number | undefined, settings: LedgerSettings): Fold {
  const { ref } = placed.input;
  const verdict = weightG === undefined ? undefined : judgeWeight(weightG, before.expected, true, settings);
  const fold = accuse(before, 'return', weightContradictions(verdict, ref));
  const isOther = verdict?.empty === true || verdict?.hard === true;
  const signal = signalOf(placed, 'received', isOther ? 'contradicts' : 'supports');
  if (isInspected(fold)) return { ...fold, return: heard(fold.return, ref, [signal]) };
  const signals = [...fold.return.signals, signal];
  return { ...fold, return: move(fold.return, 'R_RECEIVED', 'warehouse', placed.atMs, ref, signals) };
}

const WEIGHED_WRONG: Partial<Record<Contradiction['code'], string>> = {
  C04: 'a wrong declared weight',
  C05: 'a wrong weight in the catalogue',
};

/** Somebody looked inside and found it whole: then the weight that was expected of it is wrong. */
function weighedWrong(fold: Fold): Fold {
  const contradictions = fold.contradictions.map((one) => {
    const innocent = one.leg === 'return' ? WEIGHED_WRONG[one.code] : undefined;
    return innocent === undefined || one.innocent !== undefined ? one : { ...one, innocent };
  });
  return { ...fold, contradictions };
}
