/** Verified entries of gateways: what was seen, and what in it does not agree. */
import type { Contradiction, Custodian } from '../decision/facts.ts';
import { isObject, list, readEpisode, signalOf } from './episode.ts';
import type { LedgerEntry, Surroundings } from './inputs.ts';
import type { Placed } from './order.ts';
import { compareSeal, recordSeal } from './seals.ts';
import { isGuessed, isSpentCode } from './select.ts';
import { LEDGER_DEFAULTS, type LedgerSettings } from './settings.ts';
import {
  accuse,
  type Fold,
  heard,
  isAtWarehouse,
  isInspected,
  leaveOpen,
  move,
  type Place,
  type UsedCode,
} from './state.ts';
import { impossibleJourney } from './travel.ts';

/** Doors that somebody opened who had no right to. */
const FORCED: ReadonlySet<Contradiction['code']> = new Set(['C02', 'C07']);

type Found = Omit<Contradiction, 'leg'>;
type At = Placed<LedgerEntry>;

export function takeEntry(before: Fold, placed: At, around: Surroundings): Fold {
  const { event, ref, refused, forked } = placed.input;
  let fold = before;
  if (refused === true) fold = accuse(fold, 'both', [{ code: 'C16', severity: 'hard', events: [ref] }]);
  if (forked === true) fold = accuse(fold, 'both', [{ code: 'C21', severity: 'hard', events: [ref] }]);
  switch (event.type) {
    case 'parcel.deposited':
    case 'parcel.returned':
      return deposited(fold, placed, around);
    case 'parcel.collected':
    case 'parcel.removed':
      return takenOut(fold, placed, around);
    case 'compartment.disturbed':
      return disturbed(fold, placed, around);
    case 'door.forced':
    case 'tamper.raised':
      return forced(fold, placed);
    case 'exception.reported':
      return reported(fold, placed, around);
    case 'access.granted':
      return granted(fold, placed);
    case 'access.refused':
      return triedAgain(fold, placed, settingsOf(around));
    case 'seal.recorded':
      return sealed(fold, placed);
    case 'location.fixed':
      return located(fold, placed, settingsOf(around));
    case 'custody.handed_over':
      return handedOver(fold, placed);
    default:
      return circumstance(fold, placed);
  }
}

function settingsOf({ settings = LEDGER_DEFAULTS }: Surroundings): LedgerSettings {
  return settings;
}

/**
 * A deposit is a return once the customer had the parcel, or a return was opened for it. What a courier took back and puts
 * into another locker is delivered still.
 */
function isReturn(fold: Fold, type: string): boolean {
  return type === 'parcel.returned' || fold.return.state !== 'NONE' || fold.forward.state === 'COLLECTED';
}

/** Which leg it lies in a compartment for. */
function legThere(fold: Fold): 'forward' | 'return' {
  const { state } = fold.return;
  return state === 'R_IN_LOCKER' || state === 'R_DISTURBED' || isAtWarehouse(fold) ? 'return' : 'forward';
}

function deposited(earlier: Fold, placed: At, around: Surroundings): Fold {
  const { event, ref } = placed.input;
  const back = isReturn(earlier, event.type);
  const leg = back ? 'return' : 'forward';
  const read = readEpisode(placed, 'in', earlier.expected, back, settingsOf(around));
  const here = placeOf(placed);
  const found: Found[] = read.contradictions.map((one) => excuse(one, earlier, placed, around));
  const elsewhere = earlier.places.find((place) => !isSame(place, here));
  if (elsewhere !== undefined) found.push({ code: 'C12', severity: 'hard', events: [elsewhere.ref, ref] });
  const before = accuse(earlier, 'both', journeyTo(here, earlier, around));
  // What was inspected goes out again, to whoever it belongs to.
  if (isInspected(before)) return accuse({ ...before, lastSeen: here, return: heard(before.return, ref) }, leg, found);
  // It arrived: a clock that is ahead put its way there behind. What was seen of it there counts.
  if (isAtWarehouse(before))
    return accuse({ ...before, lastSeen: here, return: heard(before.return, ref, read.signals) }, leg, found);
  const fold = accuse({ ...before, places: [here], lastSeen: here }, leg, found);
  return back
    ? { ...fold, return: move(fold.return, 'R_IN_LOCKER', 'locker_operator', placed.atMs, ref, read.signals) }
    : { ...fold, forward: move(fold.forward, 'IN_LOCKER', 'locker_operator', placed.atMs, ref, read.signals) };
}

/** Where an episode was, and how well its time is known. */
function placeOf({ input: { gateway, event, ref }, atMs, errMs }: At): Place {
  return { gateway, compartment: event.compartment ?? '', sinceMs: atMs, errMs, ref };
}

/**
 * Seen where it cannot have got to. It is held against both legs: a deposit after a collection is on its way back, and one of
 * the two sightings may be what the customer says never was.
 */
function journeyTo(here: Place, { lastSeen }: Fold, around: Surroundings): readonly Found[] {
  if (lastSeen === undefined) return [];
  const severity = impossibleJourney(lastSeen, here, around.sites ?? {}, settingsOf(around));
  return severity === undefined ? [] : [{ code: 'C09', severity, events: [lastSeen.ref, here.ref] }];
}

function takenOut(before: Fold, placed: At, around: Surroundings): Fold {
  const { event, ref, gateway } = placed.input;
  const leg = legThere(before);
  const read = readEpisode(placed, 'out', before.expected, false, settingsOf(around));
  const seen = placeOf(placed);
  const found = read.contradictions.filter(({ code }) => code !== 'C04' && code !== 'C05');
  const here = before.places.find((place) => place.gateway === gateway && place.compartment === event.compartment);
  const travelled = accuse(before, 'both', journeyTo(seen, before, around));
  const fold: Fold = { ...accuse(travelled, leg, found), places: [], lastSeen: seen };
  if (isAtWarehouse(fold)) return { ...fold, return: heard(fold.return, ref) };
  // The customer has it: nobody takes it out of where it is not known to lie.
  if (leg === 'forward' && here === undefined && fold.forward.state === 'COLLECTED')
    return { ...fold, forward: heard(fold.forward, ref) };
  if (wasForced(fold, placed, here, leg)) {
    const missing = accuse(fold, leg, [{ code: 'C07', severity: 'hard', events: [ref] }]);
    return lost(missing, leg, placed, read.signals);
  }
  if (leg === 'return') return returnTakenOut(fold, placed);
  const early = here === undefined && (fold.forward.state === 'EXPECTED' || fold.forward.state === 'WITH_COURIER');
  const ordered = early
    ? accuse(fold, leg, [excuse({ code: 'C11', severity: 'hard', events: [ref] }, fold, placed, around)])
    : fold;
  const byStaff = event.actor !== undefined && event.actor.kind !== 'recipient';
  const [state, custodian]: readonly ['RETRIEVED' | 'COLLECTED', Custodian] =
    byStaff || event.type === 'parcel.removed' ? ['RETRIEVED', 'courier'] : ['COLLECTED', 'customer'];
  const abused = event.actor?.kind === 'courier' && read.signals.some(({ name }) => name === 'code');
  const judged = abused ? accuse(ordered, leg, [{ code: 'C13', severity: 'hard', events: [ref] }]) : ordered;
  return { ...judged, forward: move(judged.forward, state, custodian, placed.atMs, ref, read.signals) };
}

/** By its courier, unless somebody else showed who it was. */
function returnTakenOut(fold: Fold, placed: At): Fold {
  const { event, ref } = placed.input;
  // The customer has it again: that it lay there once is evidence of nothing.
  if (event.actor?.kind === 'recipient')
    return { ...fold, return: move(fold.return, 'RMA_OPEN', 'customer', placed.atMs, ref) };
  return {
    ...fold,
    return: move(fold.return, 'R_WITH_COURIER', 'courier', placed.atMs, ref, fold.return.signals),
    takenMs: placed.atMs,
  };
}

/** The door was forced in this episode, or since the parcel lay there, and nobody showed a code. */
function wasForced(fold: Fold, placed: At, here: Place | undefined, leg: Contradiction['leg']): boolean {
  const { data } = placed.input.event;
  const door = data['door'];
  if (data['access'] !== undefined) return false;
  if (isObject(door) && door['forced'] === true) return true;
  const opened = fold.contradictions.filter(({ code, innocent }) => FORCED.has(code) && innocent === undefined);
  return here !== undefined && opened.some((one) => one.leg === leg);
}

function lost(
  fold: Fold,
  leg: 'forward' | 'return',
  placed: At,
  signals: readonly ReturnType<typeof signalOf>[],
): Fold {
  const { ref } = placed.input;
  // What was seen of a return that was put there stays seen: who took it later is another question.
  if (leg === 'return')
    return { ...fold, return: move(fold.return, 'R_DISTURBED', 'unknown', placed.atMs, ref, fold.return.signals) };
  return { ...fold, forward: move(fold.forward, 'MISSING', 'unknown', placed.atMs, ref, signals) };
}

function disturbed(before: Fold, placed: At, around: Surroundings): Fold {
  const { event, gateway, ref } = placed.input;
  const here = before.places.find((place) => place.gateway === gateway && place.compartment === event.compartment);
  const names = before.places.length === 0 && event.parcel !== undefined;
  if (here === undefined) return names ? emptyDeposit(before, placed, around) : before;
  if (isAtWarehouse(before)) return { ...before, return: heard(before.return, ref) };
  const leg = legThere(before);
  const authorised = event.actor !== undefined || isMaintained(before, gateway, event.compartment);
  const innocent = authorised ? { innocent: 'a courier who sorted shelves, with a session' } : {};
  const fold = accuse(before, leg, [{ code: 'C06', severity: 'hard', events: [ref], ...innocent }]);
  const after = event.data['item_after'];
  if (after === false) return lost({ ...fold, places: [] }, leg, placed, []);
  if (after === true) return fold;
  if (leg === 'return')
    return { ...fold, return: move(fold.return, 'R_DISTURBED', 'unknown', placed.atMs, ref, fold.return.signals) };
  return { ...fold, forward: move(fold.forward, 'DISTURBED', 'unknown', placed.atMs, ref) };
}

/** A scan, a door, and nothing inside: somebody says that a parcel was put there. */
function emptyDeposit(before: Fold, placed: At, around: Surroundings): Fold {
  const { event, ref } = placed.input;
  const back = isReturn(before, event.type);
  const read = readEpisode(placed, 'in', before.expected, back, settingsOf(around));
  const found = read.contradictions.map((one) => excuse(one, before, placed, around));
  const fold = accuse(before, back ? 'return' : 'forward', found);
  if (isAtWarehouse(before)) return { ...fold, return: heard(fold.return, ref) };
  if (!back) return { ...fold, forward: heard(fold.forward, ref, read.signals) };
  return { ...fold, return: move(fold.return, 'R_DEPOSIT_OPEN', 'customer', placed.atMs, ref, read.signals) };
}

function forced(fold: Fold, placed: At): Fold {
  const { event, gateway, ref } = placed.input;
  const here = fold.places.some(
    (place) =>
      place.gateway === gateway && (event.compartment === undefined || place.compartment === event.compartment),
  );
  if (!here) return fold;
  const code = event.data['reason'] === 'opened_without_access' ? 'C02' : 'C07';
  const innocent = isMaintained(fold, gateway, event.compartment)
    ? { innocent: 'a technician, with a maintenance window' }
    : {};
  return accuse(fold, legThere(fold), [{ code, severity: 'hard', events: [ref], ...innocent }]);
}

/** A scan for which no door opened: a claim, and where the doors were watched the proof that it is not true. */
function reported(fold: Fold, placed: At, around: Surroundings): Fold {
  const { event, ref } = placed.input;
  const { data } = event;
  if (data['what'] !== 'scan_without_door' || event.parcel === undefined) return circumstance(fold, placed);
  const back = isReturn(fold, event.type);
  const watched = data['detail'] === undefined;
  const signals = [signalOf(placed, 'scan', 'supports'), ...(watched ? [signalOf(placed, 'door', 'contradicts')] : [])];
  const found: readonly Found[] = watched
    ? [excuse({ code: 'C01', severity: 'hard', events: [ref] }, fold, placed, around)]
    : [];
  const next = accuse(fold, back ? 'return' : 'forward', found);
  const leg = back ? next.return : next.forward;
  const claimed = { ...leg, signals: [...leg.signals, ...signals], events: [...leg.events, ref] };
  return back
    ? { ...next, return: { ...next.return, ...claimed, state: next.return.state } }
    : { ...next, forward: { ...next.forward, ...claimed, state: next.forward.state } };
}

/** A code that was guessed at: for this parcel, or for the compartment where it lies. Whichever it was, it is remembered. */
function granted(before: Fold, placed: At): Fold {
  const { event, gateway, ref } = placed.input;
  const here = before.places.some((one) => one.gateway === gateway && one.compartment === event.compartment);
  const code = codeOf(placed);
  const fold = here && code !== undefined ? { ...before, codes: [...before.codes, code] } : before;
  if (!isGuessed(event) || (event.parcel === undefined && !here)) return fold;
  return accuse(fold, 'both', [{ code: 'C13', severity: 'hard', events: [ref] }]);
}

/**
 * The code that opened for this parcel is spent, and somebody tries it again: whoever did not have the parcel, or whoever has
 * the code and should not. Right after, at the same keypad, it is who waits for the door.
 */
function triedAgain(fold: Fold, placed: At, { code_again_s }: LedgerSettings): Fold {
  const { ref, event } = placed.input;
  const again = codeOf(placed);
  if (again === undefined || !isSpentCode(event)) return fold;
  const spent = fold.codes.findLast(
    ({ gateway, credential }) => gateway === again.gateway && credential === again.credential,
  );
  if (spent === undefined) return fold;
  if (spent.device === again.device && again.atMs - spent.atMs <= code_again_s * 1_000) return fold;
  return accuse(fold, 'both', [{ code: 'C13', severity: 'hard', events: [ref] }]);
}

function codeOf({ input: { gateway, event }, atMs }: At): UsedCode | undefined {
  const { credential } = event.data;
  return typeof credential === 'string' ? { gateway, credential, device: event.device, atMs } : undefined;
}

const OTHER_NAMES =
  'the seal was declared, or recorded before, under another key or in clear: the two cannot be compared';

function sealed(fold: Fold, placed: At): Fold {
  const { event, ref } = placed.input;
  const { state, seal } = event.data;
  const known = typeof seal === 'string' ? seal : undefined;
  const compared = known === undefined ? 'nothing' : compareSeal(fold.seals, known, event.data);
  const leg = fold.return.state === 'NONE' || fold.return.state === 'RMA_OPEN' ? 'forward' : 'return';
  const broken = state !== 'intact' || compared === 'differs';
  // That there is a seal says nothing until it is seen to be the one that was put on.
  const says = broken ? 'contradicts' : compared === 'agrees' ? 'supports' : undefined;
  const signals = says === undefined ? [] : [signalOf(placed, 'seal', says)];
  const next: Fold =
    leg === 'forward'
      ? { ...fold, forward: { ...fold.forward, signals: [...fold.forward.signals, ...signals] } }
      : { ...fold, return: { ...fold.return, signals: [...fold.return.signals, ...signals] } };
  const remembered = known === undefined ? next : { ...next, seals: recordSeal(fold.seals, known) };
  if (broken) return accuse(remembered, leg, [{ code: 'C23', severity: 'hard', events: [ref] }]);
  return compared === 'cannot_tell'
    ? leaveOpen(remembered, { code: 'C23', leg, why: OTHER_NAMES, events: [ref] })
    : remembered;
}

function located(fold: Fold, placed: At, { accuracy_most_m }: LedgerSettings): Fold {
  const { event, ref } = placed.input;
  const { geofence, accuracy_m: accuracy } = event.data;
  if (geofence === 'unknown' || event.parcel === undefined) return fold;
  const vague = typeof accuracy === 'number' && accuracy > accuracy_most_m;
  const signal = signalOf(placed, 'geofence', geofence === 'inside' ? 'supports' : 'contradicts');
  const next = vague ? fold : { ...fold, forward: { ...fold.forward, signals: [...fold.forward.signals, signal] } };
  if (geofence === 'inside') return next;
  const innocent = vague ? { innocent: 'a position that is not accurate' } : {};
  return accuse(next, 'forward', [{ code: 'C14', severity: 'hard', events: [ref], ...innocent }]);
}

function handedOver(fold: Fold, placed: At): Fold {
  const to = placed.input.event.data['to'];
  if (!isObject(to) || to['kind'] !== 'courier') return fold;
  const { ref } = placed.input;
  if (isAtWarehouse(fold)) return { ...fold, return: heard(fold.return, ref) };
  // Who had it hands it to a courier: that is the way back.
  const back = fold.return.state !== 'NONE' || fold.forward.state === 'COLLECTED';
  if (back)
    return {
      ...fold,
      return: move(fold.return, 'R_WITH_COURIER', 'courier', placed.atMs, ref, fold.return.signals),
      takenMs: placed.atMs,
    };
  return { ...fold, forward: move(fold.forward, 'WITH_COURIER', 'courier', placed.atMs, ref) };
}

/** What excuses others: maintenance, faulty sensors, power cuts. */
function circumstance(fold: Fold, placed: At): Fold {
  const { event, gateway } = placed.input;
  const compartments = list(event.data['compartments']).map((name) => `${gateway} ${String(name)}`);
  const keys = compartments.length > 0 ? compartments : [gateway];
  switch (event.type) {
    case 'maintenance.opened':
      return { ...fold, maintained: [...fold.maintained, ...keys] };
    case 'maintenance.closed':
      return { ...fold, maintained: fold.maintained.filter((key) => !keys.includes(key)) };
    case 'device.faulted':
      return { ...fold, faulted: [...fold.faulted, `${gateway} ${event.device ?? ''}`] };
    case 'device.found':
      return { ...fold, faulted: fold.faulted.filter((key) => key !== `${gateway} ${event.device ?? ''}`) };
    case 'power.lost':
      return { ...fold, unpowered: [...fold.unpowered, gateway] };
    case 'power.restored':
      return { ...fold, unpowered: fold.unpowered.filter((key) => key !== gateway) };
    default:
      return fold;
  }
}

/** With its innocent cause, where one is known. */
function excuse(one: Found, fold: Fold, placed: At, around: Surroundings): Found {
  const { gateway, event } = placed.input;
  const because = (innocent: string): Found => ({ ...one, innocent });
  const owed = around.awaited?.gateway === gateway;
  if (one.code === 'C01' && owed) return because('events of the gateway not yet arrived');
  if (one.code === 'C03' && fold.faulted.includes(`${gateway} ${event.device ?? ''}`))
    return because('a faulty item sensor');
  if (one.code === 'C08' && fold.unpowered.includes(gateway)) return because('a power cut that the log names');
  if (one.code === 'C10' && settingsOf(around).several_parcels.includes(gateway))
    return because('several parcels in one compartment, when allowed');
  if (one.code === 'C11' && owed) return because('late arrival');
  if (one.code === 'C11' && placed.clock === 'rollback') return because('a wrong clock');
  return one;
}

function isMaintained(fold: Fold, gateway: string, compartment: string | undefined): boolean {
  return fold.maintained.includes(gateway) || fold.maintained.includes(`${gateway} ${compartment ?? ''}`);
}

function isSame(a: Place, b: Place): boolean {
  return a.gateway === b.gateway && a.compartment === b.compartment;
}
