/**
 * The uplink as a pure function: what happened and when goes in, what to do comes out.
 *
 * It never sees payloads and never waits: the shell (uplink.ts) does what the outputs say and reports back as inputs.
 * After every input `settle` (settle.ts) looks what the state allows now, so that nothing has to be remembered to be done.
 */
import {
  answeredLane,
  backoffMs,
  disconnectedLane,
  goBack,
  markedLane,
  newLane,
  unmarkedLane,
  unreadableLane,
  updatedLane,
  wokenLane,
} from './lane.ts';
import type {
  At,
  EnrolmentState,
  Input,
  Lane,
  LogView,
  Output,
  Step,
  UplinkLimits,
  UplinkState,
} from './machine-types.ts';
import { settle } from './settle.ts';

/** A hostile stream of retained messages must not keep us from publishing for ever. */
const MEMORY_QUIETS_MAX = 6;

export function initialState(limits: UplinkLimits): UplinkState {
  return {
    limits,
    phase: { name: 'offline' },
    receiveMaximum: 1,
    subscriptionRefused: false,
    compared: false,
    lost: undefined,
    memoryWasLost: false,
    breached: [],
    enrolment: { name: 'wanted' },
    enrolmentRefusals: 0,
    enrolmentStale: false,
    lanes: [],
    replay: undefined,
    lastTurn: 'replay',
    reading: undefined,
    flights: [],
    flightBytes: 0,
    nextId: 1,
    lastRequestMs: undefined,
  };
}

export function step(state: UplinkState, input: Input, at: At): Step {
  const moved = apply(state, input, at);
  const settled = settle(moved.state, at);
  return { state: settled.state, outputs: [...moved.outputs, ...settled.outputs] };
}

function apply(state: UplinkState, input: Input, at: At): Step {
  switch (input.kind) {
    case 'connected':
      return {
        state: { ...state, phase: { name: 'subscribing' }, receiveMaximum: input.receiveMaximum },
        outputs: [{ kind: 'subscribe', memory: !state.compared }],
      };
    case 'lost':
      return quiet(lost(state));
    case 'subscribed':
      return quiet(subscribed({ ...state, subscriptionRefused: false }, at));
    case 'subscription_refused':
      return quiet({ ...state, subscriptionRefused: true });
    case 'remembered':
      return quiet(remembered(state, at));
    case 'compared':
      return compared(state, input, at);
    case 'compare_failed':
      return quiet(compareFailed(state, at));
    case 'logs':
      return quiet(withLogs(state, input.logs, at));
    case 'believed':
      return quiet(believed(state, input.origin));
    case 'requested':
      return requested(state, input.origin, input.first, at);
    case 'enrolment_read':
    case 'enrolment_failed':
    case 'enrolment_answered':
      return quiet(enrolment(state, input, at));
    case 'checkpoint_answered':
      return quiet(changeLane(state, input.origin, (lane) => checkpointAnswered(lane, input.code, state.limits, at)));
    case 'marked':
      return quiet(changeLane(state, input.origin, (lane) => markedLane(lane, input.size, at)));
    case 'mark_failed':
      return quiet(changeLane(state, input.origin, (lane) => unmarkedLane(lane, state.limits, at)));
    case 'read':
    case 'read_failed':
      return quiet(read(state, input, at));
    case 'batch_answered':
      return batchAnswered(state, input.id, input.code, at);
    case 'tick':
      return quiet(state);
  }
}

function quiet(state: UplinkState): Step {
  return { state, outputs: [] };
}

export function changeLane(state: UplinkState, origin: string, change: (lane: Lane) => Lane): UplinkState {
  return { ...state, lanes: state.lanes.map((lane) => (lane.origin === origin ? change(lane) : lane)) };
}

function lost(state: UplinkState): UplinkState {
  return {
    ...state,
    phase: { name: 'offline' },
    enrolment: { name: 'wanted' },
    lanes: state.lanes.map(disconnectedLane),
    // Whoever asked will see from the batches that it has to ask again.
    replay: undefined,
    flights: [],
    flightBytes: 0,
  };
}

function subscribed(state: UplinkState, at: At): UplinkState {
  if (state.phase.name !== 'subscribing') return state;
  if (state.compared) return { ...state, phase: { name: 'awaiting_receipts' } };
  const { memoryQuietMs } = state.limits;
  const quietAtMs = at.nowMs + memoryQuietMs;
  const endAtMs = at.nowMs + MEMORY_QUIETS_MAX * memoryQuietMs;
  return { ...state, phase: { name: 'collecting', quietAtMs, endAtMs } };
}

function remembered(state: UplinkState, at: At): UplinkState {
  if (state.phase.name !== 'collecting') return state;
  return { ...state, phase: { ...state.phase, quietAtMs: at.nowMs + state.limits.memoryQuietMs } };
}

/** The verdict holds for the whole start, also when the connection went away meanwhile. */
function compared(state: UplinkState, input: Extract<Input, { kind: 'compared' }>, at: At): Step {
  const isLost = input.verdict === 'memory_lost';
  const isWaiting = state.phase.name === 'comparing' || state.phase.name === 'collecting';
  const next: UplinkState = {
    ...state,
    compared: true,
    lost: isLost ? { origins: input.origins, untilMs: at.nowMs + state.limits.memoryLostWaitMs } : undefined,
    memoryWasLost: isLost,
    breached: input.verdict === 'breached' ? input.origins : state.breached,
    phase: isWaiting ? { name: 'awaiting_receipts' } : state.phase,
  };
  return { state: next, outputs: isWaiting ? [{ kind: 'forget_memory_topics' }] : [] };
}

function compareFailed(state: UplinkState, at: At): UplinkState {
  if (state.phase.name !== 'comparing') return state;
  const againAtMs = at.nowMs + state.limits.retryFirstMs;
  return { ...state, phase: { name: 'collecting', quietAtMs: againAtMs, endAtMs: againAtMs } };
}

function withLogs(state: UplinkState, logs: readonly LogView[], at: At): UplinkState {
  const known = new Map(state.lanes.map((lane) => [lane.origin, lane]));
  const lanes = logs.map((log) => {
    const lane = known.get(log.origin);
    return lane === undefined ? newLane(log) : updatedLane(lane, log, state.limits, at);
  });
  // A log that is new, or may be published only now, may owe a successor statement, which has to be at the broker before
  // its first checkpoint: also when an older enrolment is on its way. One that is being read waits for its statement.
  const { name } = state.enrolment;
  const isNew = logs.some(({ origin }) => !known.has(origin));
  const mayLeave = logs.some((log) => log.note !== undefined && known.get(log.origin)?.note === undefined);
  const isStale = isNew || (mayLeave && name !== 'reading');
  const wanted = isStale && name === 'settled';
  const replay = logs.some((log) => log.origin === state.replay?.origin) ? state.replay : undefined;
  const enrolmentStale = state.enrolmentStale || isStale;
  return { ...state, lanes, replay, enrolmentStale, enrolment: wanted ? { name: 'wanted' } : state.enrolment };
}

function believed(state: UplinkState, origin: string): UplinkState {
  const woken = changeLane(state, origin, wokenLane);
  if (state.lost === undefined) return woken;
  const origins = state.lost.origins.filter((other) => other !== origin);
  return { ...woken, lost: { ...state.lost, origins } };
}

function requested(state: UplinkState, origin: string, first: number, at: At): Step {
  const lane = state.lanes.find((other) => other.origin === origin);
  if (lane === undefined) return ignored(state, 'unknown_log');
  if (state.phase.name !== 'live') return ignored(state, 'not_live');
  const { lastRequestMs } = state;
  if (lastRequestMs !== undefined && at.nowMs - lastRequestMs < state.limits.requestIntervalMs) {
    return ignored(state, 'throttled');
  }
  const woken = changeLane(state, origin, wokenLane);
  if (first >= lane.cursor) return ignored(woken, 'not_sent_yet');
  const outputs: Output[] = [{ kind: 'went_back', origin, to: first, why: 'requested' }];
  const counted = { ...woken, lastRequestMs: at.nowMs };
  if (first >= lane.progressSize)
    return { state: changeLane(counted, origin, (other) => goBack(other, first)), outputs };
  const replay = {
    origin,
    next: first,
    end: lane.cursor,
    fresh: true,
    epoch: state.nextId,
    held: undefined,
    flying: 0,
  };
  return { state: { ...counted, replay, nextId: state.nextId + 1 }, outputs };
}

function ignored(state: UplinkState, why: Extract<Output, { kind: 'request_ignored' }>['why']): Step {
  return { state, outputs: [{ kind: 'request_ignored', why }] };
}

function enrolment(
  state: UplinkState,
  input: Extract<Input, { kind: 'enrolment_read' | 'enrolment_failed' | 'enrolment_answered' }>,
  at: At,
): UplinkState {
  if (input.kind === 'enrolment_read') {
    if (state.enrolment.name !== 'reading') return state;
    return { ...state, enrolment: input.owed ? { name: 'publishing', asked: false } : settledEnrolment(state) };
  }
  // What is retained is at the broker, whether or not somebody listens: 16 is as good as 0 here.
  if (input.kind === 'enrolment_answered' && input.code < 128) {
    return { ...state, enrolment: settledEnrolment(state), enrolmentRefusals: 0 };
  }
  const { retryFirstMs, retryMaxMs } = state.limits;
  const retryAtMs = at.nowMs + backoffMs(state.enrolmentRefusals, retryFirstMs, retryMaxMs, at.random);
  const code = input.kind === 'enrolment_answered' ? input.code : 0;
  const refusals = state.enrolmentRefusals + 1;
  return { ...state, enrolment: { name: 'refused', retryAtMs, code, refusals }, enrolmentRefusals: refusals };
}

function settledEnrolment({ enrolmentStale }: UplinkState): EnrolmentState {
  return { name: enrolmentStale ? 'wanted' : 'settled' };
}

function checkpointAnswered(lane: Lane, code: number, limits: UplinkLimits, at: At): Lane {
  const { checkpoint } = lane;
  if (checkpoint.flying === undefined) return lane;
  if (code < 128) {
    const { size, note } = checkpoint.flying;
    const acked = { ackedSize: size, ackedNote: note, flying: undefined, refusals: 0, code: 0, retryAtMs: 0 };
    return { ...lane, checkpoint: acked };
  }
  const waitMs = backoffMs(checkpoint.refusals, limits.retryFirstMs, limits.retryMaxMs, at.random);
  const refusals = checkpoint.refusals + 1;
  return {
    ...lane,
    checkpoint: { ...checkpoint, flying: undefined, refusals, code, retryAtMs: at.nowMs + waitMs },
  };
}

/** A batch that nothing holds afterwards is dropped by the shell: the past that asked for it was gone back on. */
function read(state: UplinkState, input: Extract<Input, { kind: 'read' | 'read_failed' }>, at: At): UplinkState {
  const { reading } = state;
  if (reading?.id !== input.id) return state;
  const free: UplinkState = { ...state, reading: undefined };
  const batch = input.kind === 'read' ? input.batch : undefined;
  if (reading.replay) {
    const { replay } = state;
    if (replay === undefined || replay.epoch !== reading.epoch) return free;
    return { ...free, replay: batch === undefined ? undefined : { ...replay, held: { id: input.id, ...batch } } };
  }
  const change = (lane: Lane): Lane => {
    if (lane.epoch !== reading.epoch || state.phase.name !== 'live') return lane;
    if (batch === undefined) return unreadableLane(lane, state.limits, at);
    const trouble = lane.trouble === 'unreadable' ? undefined : lane.trouble;
    return { ...lane, held: { id: input.id, ...batch }, trouble };
  };
  return changeLane(free, reading.origin, change);
}

function batchAnswered(state: UplinkState, id: number, code: number, at: At): Step {
  const flight = state.flights.find((other) => other.id === id);
  if (flight === undefined) return quiet(state);
  const landed: UplinkState = {
    ...state,
    flights: state.flights.filter((other) => other !== flight),
    flightBytes: state.flightBytes - flight.bytes,
  };
  if (flight.replay) {
    const { replay } = landed;
    if (replay === undefined || replay.epoch !== flight.epoch) return quiet(landed);
    // Nobody listens, or the broker is tired: the one who asked may ask again.
    return quiet({ ...landed, replay: code === 0 ? { ...replay, flying: replay.flying - 1 } : undefined });
  }
  const next = changeLane(landed, flight.origin, (lane) => answeredLane(lane, flight, code, state.limits, at));
  const before = landed.lanes.find((lane) => lane.origin === flight.origin);
  const after = next.lanes.find((lane) => lane.origin === flight.origin);
  if (after === undefined || after.epoch === before?.epoch) return quiet(next);
  const why = after.trouble ?? 'refused';
  return { state: next, outputs: [{ kind: 'went_back', origin: after.origin, to: after.cursor, why }] };
}
