/**
 * What the state allows now: called after every input, until nothing more is allowed.
 *
 * The order of the rules is the protocol: nothing before the memory was compared; status; what enrolment is owed, then
 * checkpoints; the mark; and a batch only up to the size whose checkpoint this connection's broker acknowledged.
 */
import { equalBytes } from '../../base/bytes.ts';
import { markDue, mayRead, sentLane, stallDueMs, stalledLane } from './lane.ts';
import type { At, Held, Lane, Output, Replay, Step, UplinkState } from './machine-types.ts';

/** Kept free of the broker's Receive Maximum, for checkpoints, enrolment and status. */
const RECEIVE_MAXIMUM_RESERVE = 4;
const REPLAY_FLIGHTS_MAX = 8;

/** Collects outputs while the state moves on. */
interface Draft {
  state: UplinkState;
  readonly outputs: Output[];
}

export function settle(state: UplinkState, at: At): Step {
  const draft: Draft = { state, outputs: [] };
  settlePhase(draft, at);
  if (draft.state.phase.name === 'live') {
    settleEnrolment(draft, at);
    settleStalls(draft, at);
    settleCheckpoints(draft, at);
    settleMarks(draft, at);
    sendHeld(draft);
    readNext(draft, at);
  }
  return draft;
}

/** The next moment at which `tick` would change something, or undefined. */
export function nextWakeMs(state: UplinkState, nowMs: number): number | undefined {
  const due: (number | undefined)[] = [];
  if (state.phase.name === 'collecting') due.push(Math.min(state.phase.quietAtMs, state.phase.endAtMs));
  if (state.phase.name === 'awaiting_receipts') due.push(state.lost?.untilMs);
  if (state.phase.name === 'live') {
    if (state.enrolment.name === 'refused') due.push(state.enrolment.retryAtMs);
    for (const lane of state.lanes) {
      due.push(lane.checkpoint.retryAtMs, lane.pausedUntilMs, stallDueMs(lane, state.limits));
      if (lane.checkpoint.ackedSize > lane.markedSize) due.push(lane.markAtMs);
    }
  }
  const ahead = due.flatMap((ms) => (ms !== undefined && ms > nowMs ? [ms] : []));
  return ahead.length === 0 ? undefined : Math.min(...ahead);
}

function settlePhase(draft: Draft, at: At): void {
  const { phase, lost } = draft.state;
  if (phase.name === 'collecting' && at.nowMs >= Math.min(phase.quietAtMs, phase.endAtMs)) {
    draft.state = { ...draft.state, phase: { name: 'comparing' } };
    draft.outputs.push({ kind: 'compare' });
  }
  const waited = lost === undefined || lost.origins.length === 0 || at.nowMs >= lost.untilMs;
  if (phase.name === 'awaiting_receipts' && waited) {
    draft.state = { ...draft.state, phase: { name: 'live' }, lost: undefined };
    draft.outputs.push({ kind: 'publish_status' });
  }
}

function settleEnrolment(draft: Draft, at: At): void {
  const { enrolment } = draft.state;
  if (enrolment.name === 'wanted' || (enrolment.name === 'refused' && at.nowMs >= enrolment.retryAtMs)) {
    draft.state = { ...draft.state, enrolment: { name: 'reading' }, enrolmentStale: false };
    draft.outputs.push({ kind: 'read_enrolment' });
  } else if (enrolment.name === 'publishing' && !enrolment.asked) {
    draft.state = { ...draft.state, enrolment: { name: 'publishing', asked: true } };
    draft.outputs.push({ kind: 'publish_enrolment' });
  }
}

function settleStalls(draft: Draft, at: At): void {
  for (const lane of draft.state.lanes) {
    const dueMs = stallDueMs(lane, draft.state.limits);
    if (dueMs === undefined || at.nowMs < dueMs) continue;
    replaceLane(draft, stalledLane(lane, draft.state.limits, at));
    draft.outputs.push({ kind: 'went_back', origin: lane.origin, to: lane.progressSize, why: 'stalled' });
  }
}

/** One checkpoint of a log on its way at a time: whatever came meanwhile goes with the next one. */
function settleCheckpoints(draft: Draft, at: At): void {
  if (draft.state.enrolment.name !== 'settled') return;
  for (const lane of draft.state.lanes) {
    const { checkpoint, note, noteSize } = lane;
    if (note === undefined || checkpoint.flying !== undefined || at.nowMs < checkpoint.retryAtMs) continue;
    if (noteSize < checkpoint.ackedSize) continue;
    if (checkpoint.ackedNote !== undefined && equalBytes(checkpoint.ackedNote, note)) continue;
    replaceLane(draft, { ...lane, checkpoint: { ...checkpoint, flying: { size: noteSize, note } } });
    draft.outputs.push({ kind: 'publish_checkpoint', origin: lane.origin, size: noteSize, note });
  }
}

function settleMarks(draft: Draft, at: At): void {
  for (const lane of draft.state.lanes) {
    if (!markDue(lane, at)) continue;
    replaceLane(draft, { ...lane, marking: true });
    draft.outputs.push({ kind: 'mark', origin: lane.origin, size: lane.checkpoint.ackedSize });
  }
}

function sendHeld(draft: Draft): void {
  for (const lane of draft.state.lanes) {
    if (lane.held === undefined || lane.held.end > lane.checkpoint.ackedSize) continue;
    replaceLane(draft, sentLane(lane));
    send(draft, lane.held, lane.origin, lane.epoch, false);
  }
  const { replay } = draft.state;
  if (replay?.held === undefined || replay.held.end > ackedSizeOf(draft.state, replay)) return;
  const { held } = replay;
  const next = { ...replay, next: held.end, fresh: false, held: undefined, flying: replay.flying + 1 };
  draft.state = { ...draft.state, replay: held.end >= replay.end ? undefined : next };
  send(draft, held, replay.origin, replay.epoch, true);
}

function send(draft: Draft, held: Held, origin: string, epoch: number, replay: boolean): void {
  const flight = { id: held.id, origin, epoch, replay, bytes: held.bytes };
  const { flights, flightBytes } = draft.state;
  draft.state = { ...draft.state, flights: [...flights, flight], flightBytes: flightBytes + held.bytes };
  draft.outputs.push({ kind: 'publish_batch', id: held.id });
}

/** One read at a time, oldest log first; a replay takes turns with it. */
function readNext(draft: Draft, at: At): void {
  const { state } = draft;
  if (state.reading !== undefined || !windowOpen(state)) return;
  const lane = state.lanes.find((other) => mayRead(other, at));
  const replay = state.replay !== undefined && mayReplay(state, state.replay) ? state.replay : undefined;
  if (replay !== undefined && (lane === undefined || state.lastTurn === 'lane')) {
    ask(draft, { origin: replay.origin, epoch: replay.epoch, replay: true }, replay.next, replay.fresh);
  } else if (lane !== undefined) {
    ask(draft, { origin: lane.origin, epoch: lane.epoch, replay: false }, lane.cursor, lane.fresh);
  }
}

function ask(
  draft: Draft,
  reading: { readonly origin: string; readonly epoch: number; readonly replay: boolean },
  first: number,
  withLeft: boolean,
): void {
  const id = draft.state.nextId;
  const lastTurn = reading.replay ? 'replay' : 'lane';
  draft.state = { ...draft.state, reading: { id, ...reading }, nextId: id + 1, lastTurn };
  draft.outputs.push({ kind: 'read', id, origin: reading.origin, first, withLeft });
}

function mayReplay(state: UplinkState, replay: Replay): boolean {
  return replay.held === undefined && replay.flying < REPLAY_FLIGHTS_MAX && replay.next < ackedSizeOf(state, replay);
}

function windowOpen(state: UplinkState): boolean {
  const { windowBatches, windowBytes } = state.limits;
  const held = [...state.lanes, state.replay].flatMap((from) => (from?.held === undefined ? [] : [from.held]));
  const count = state.flights.length + held.length;
  const bytes = state.flightBytes + held.reduce((sum, batch) => sum + batch.bytes, 0);
  const room = Math.max(1, state.receiveMaximum - RECEIVE_MAXIMUM_RESERVE);
  return count < Math.min(windowBatches, room) && bytes < windowBytes;
}

function ackedSizeOf(state: UplinkState, replay: Replay): number {
  return state.lanes.find((lane) => lane.origin === replay.origin)?.checkpoint.ackedSize ?? -1;
}

function replaceLane(draft: Draft, lane: Lane): void {
  const lanes = draft.state.lanes.map((other) => (other.origin === lane.origin ? lane : other));
  draft.state = { ...draft.state, lanes };
}
