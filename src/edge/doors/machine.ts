/**
 * Opening doors as a pure machine: requests, what became durable, what the line answered and what was seen in; what to
 * record, what to send and how each opening ended out.
 *
 * Of one intent at most one `send` ever comes out, and only after its record is durable. What was sent, or may have been,
 * ends as `opened` or `unverified`; what was not, as `not_sent`.
 */
import type { OpenRefusal, OpenRequest } from '../contracts/doors.ts';
import { type Openings, withOpening } from './limits.ts';
import type { DoorsSettings } from './settings.ts';

/** The line's own limits are shorter; one that never answers must not keep an opening for ever. */
const SENDING_MAX_MS = 15_000;
/** Ids of intents that ended, against a caller that asks twice. */
export const RECENT_IDS_MAX = 256;

/** An intent on its way: the request, its id as text, and how far it has come. */
export interface Intent {
  readonly id: string;
  readonly request: OpenRequest;
  readonly askedMs: number;
  readonly phase: 'recording' | 'sending' | 'watching';
  /** When the frame was given to the line, as the line says. */
  readonly sentMs?: number;
  readonly reply?: string;
  /** First reading after which the door counts as open. */
  readonly seenOpenMs?: number;
  /** It is ended as it is then. */
  readonly deadlineMs?: number;
  /** What its contact would show says nothing: it ends with its frame. */
  readonly blind?: true;
}

export interface DoorsState {
  readonly stopped: boolean;
  readonly intents: readonly Intent[];
  readonly recent: readonly string[];
  readonly openings: Openings;
}

export const IDLE: DoorsState = { stopped: false, intents: [], recent: [], openings: [] };

/** What is known of a compartment in the moment of the question. */
export type DoorNow =
  | {
      readonly kind: 'usable';
      readonly door: 'open' | 'shut' | 'unknown';
      readonly away: boolean;
      /** Whoever asks knows that nobody will see it open. */
      readonly blind?: true;
    }
  | {
      readonly kind: 'unusable';
      readonly reason: 'unknown_compartment' | 'not_commissioned' | 'polarity_contradicted';
    };

/** Reasons that the line gives for not sending, as it spells them. */
export type FrameAnswer =
  | { readonly kind: 'not_sent'; readonly reason: string }
  | { readonly kind: 'sent'; readonly sentUpMs: number; readonly reply: string };

export type DoorsInput =
  | {
      readonly kind: 'asked';
      readonly id: string;
      readonly request: OpenRequest;
      readonly now: DoorNow;
      /** Compartments whose doors stand open. */
      readonly open: readonly string[];
    }
  /** `unlock.intended` is durable, or could not be made so. */
  | {
      readonly kind: 'recorded';
      readonly id: string;
      readonly durable: boolean;
      readonly now: DoorNow;
      readonly open: readonly string[];
    }
  /** The caller gave up before the frame left. */
  | { readonly kind: 'cancelled'; readonly id: string }
  | { readonly kind: 'answered'; readonly id: string; readonly answer: FrameAnswer }
  /** A door changed from shut to open; `toMs` is the first reading that showed it. */
  | { readonly kind: 'opened'; readonly compartment: string; readonly toMs: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'tick' };

export type Ending =
  | { readonly result: 'opened'; readonly tookMs: number }
  | { readonly result: 'unverified'; readonly reason: string }
  | { readonly result: 'not_sent'; readonly reason: OpenRefusal };

export type DoorsOutput =
  | { readonly kind: 'refused'; readonly id: string; readonly reason: OpenRefusal }
  | { readonly kind: 'record'; readonly intent: Intent }
  | { readonly kind: 'send'; readonly intent: Intent }
  | { readonly kind: 'ended'; readonly intent: Intent; readonly ending: Ending };

export interface Stepped {
  readonly state: DoorsState;
  readonly outputs: readonly DoorsOutput[];
}

export function stepDoors(state: DoorsState, input: DoorsInput, nowMs: number, settings: DoorsSettings): Stepped {
  switch (input.kind) {
    case 'asked':
      return asked(state, input, nowMs, settings);
    case 'recorded':
      return recorded(state, input, nowMs, settings);
    case 'cancelled':
      return change(state, input.id, (intent) =>
        intent.phase === 'recording' ? { result: 'not_sent', reason: 'stopped' } : intent,
      );
    case 'answered':
      return change(state, input.id, (intent) => answered(intent, input.answer, nowMs, settings));
    case 'opened':
      return opened(state, input.compartment, input.toMs);
    case 'stop':
      return { state: { ...state, stopped: true }, outputs: [] };
    case 'resume':
      return { state: { ...state, stopped: false }, outputs: [] };
    case 'tick':
      return overdue(state, nowMs);
  }
}

/** When the machine wants a `tick`. */
export function nextDeadlineMs(state: DoorsState): number | undefined {
  const due = state.intents.flatMap(({ deadlineMs }) => (deadlineMs === undefined ? [] : [deadlineMs]));
  return due.length === 0 ? undefined : Math.min(...due);
}

function asked(
  state: DoorsState,
  { id, request, now, open }: Extract<DoorsInput, { kind: 'asked' }>,
  nowMs: number,
  settings: DoorsSettings,
): Stepped {
  const refused = (reason: OpenRefusal): Stepped => ({ state, outputs: [{ kind: 'refused', id, reason }] });
  if (state.recent.includes(id) || state.intents.some((each) => each.id === id)) return refused('repeated_id');
  const reason = obstacle(state, request, now, open, nowMs, settings.open_max);
  if (reason !== undefined) return refused(reason);
  const { kind, ref } = request.actor;
  const opening = { atMs: nowMs, compartment: request.compartment, actor: `${kind} ${ref}` };
  const openings = withOpening(state.openings, opening, settings.per_minute);
  if (openings === undefined) return refused('rate');
  const intent: Intent = { id, request, askedMs: nowMs, phase: 'recording' };
  const next = { ...state, openings, intents: [...state.intents, intent] };
  return { state: next, outputs: [{ kind: 'record', intent }] };
}

/** Why this door may not be opened now, as far as the other doors, the stop and time go. */
function obstacle(
  state: DoorsState,
  request: OpenRequest,
  now: DoorNow,
  open: readonly string[],
  nowMs: number,
  openMax: number,
): OpenRefusal | undefined {
  if (now.kind === 'unusable') return now.reason;
  if (state.stopped) return 'stopped';
  if (request.untilUpMs !== undefined && nowMs > request.untilUpMs) return 'too_late';
  const { compartment } = request;
  if (state.intents.some((each) => each.request.compartment === compartment)) return 'already_opening';
  if (now.away || (now.door === 'unknown' && now.blind !== true)) return 'board_away';
  if (now.door === 'open') return 'already_open';
  const busy = new Set([...open, ...state.intents.map((each) => each.request.compartment)]);
  return busy.size >= openMax ? 'interlock' : undefined;
}

function recorded(
  state: DoorsState,
  { id, durable, now, open }: Extract<DoorsInput, { kind: 'recorded' }>,
  nowMs: number,
  settings: DoorsSettings,
): Stepped {
  const intent = state.intents.find((each) => each.id === id);
  if (intent === undefined || intent.phase !== 'recording') return { state, outputs: [] };
  if (!durable) return end(state, intent, { result: 'not_sent', reason: 'recording_stopped' });
  const others = { ...state, intents: state.intents.filter((each) => each !== intent) };
  // Writing took its time, and doors are opened in other ways too.
  const reason = obstacle(others, intent.request, now, open, nowMs, settings.open_max);
  if (reason !== undefined) return end(state, intent, { result: 'not_sent', reason });
  const blind = now.kind === 'usable' && now.blind === true ? { blind: true as const } : {};
  const sending: Intent = { ...intent, ...blind, phase: 'sending', deadlineMs: nowMs + SENDING_MAX_MS };
  return { state: replace(state, sending), outputs: [{ kind: 'send', intent: sending }] };
}

function answered(intent: Intent, answer: FrameAnswer, nowMs: number, settings: DoorsSettings): Intent | Ending {
  if (intent.phase !== 'sending') return intent;
  if (answer.kind === 'not_sent') return { result: 'not_sent', reason: refusalOf(answer.reason) };
  if (intent.blind === true) return { result: 'unverified', reason: 'polarity_contradicted' };
  const { sentUpMs: sentMs, reply } = answer;
  const watching: Intent = {
    ...intent,
    phase: 'watching',
    sentMs,
    reply,
    // A late reply does not shorten the time in which the door may be seen.
    deadlineMs: Math.max(sentMs, nowMs) + settings.seen_within_ms,
  };
  return intent.seenOpenMs === undefined ? watching : judge(sentMs, intent.seenOpenMs);
}

/** Only a reading from after the frame shows that the frame did it. */
function judge(sentMs: number, seenOpenMs: number): Ending {
  return seenOpenMs >= sentMs
    ? { result: 'opened', tookMs: Math.max(0, Math.round(seenOpenMs - sentMs)) }
    : { result: 'unverified', reason: 'open_before' };
}

function opened(state: DoorsState, compartment: string, toMs: number): Stepped {
  const intent = state.intents.find((each) => each.request.compartment === compartment);
  if (intent === undefined || intent.phase === 'recording') return { state, outputs: [] };
  if (intent.sentMs !== undefined) return end(state, intent, judge(intent.sentMs, toMs));
  return { state: replace(state, { ...intent, seenOpenMs: intent.seenOpenMs ?? toMs }), outputs: [] };
}

function overdue(state: DoorsState, nowMs: number): Stepped {
  let next = state;
  const outputs: DoorsOutput[] = [];
  for (const intent of state.intents) {
    if (intent.deadlineMs === undefined || nowMs < intent.deadlineMs) continue;
    const reason = intent.phase === 'sending' ? 'no_answer' : 'not_seen';
    const stepped = end(next, intent, { result: 'unverified', reason });
    next = stepped.state;
    outputs.push(...stepped.outputs);
  }
  return { state: next, outputs };
}

/** Applies to the intent of that id, if it is still on its way: another intent goes on, an ending ends it. */
function change(state: DoorsState, id: string, apply: (intent: Intent) => Intent | Ending): Stepped {
  const intent = state.intents.find((each) => each.id === id);
  if (intent === undefined) return { state, outputs: [] };
  const next = apply(intent);
  return 'result' in next ? end(state, intent, next) : { state: replace(state, next), outputs: [] };
}

function end(state: DoorsState, intent: Intent, ending: Ending): Stepped {
  const intents = state.intents.filter((each) => each.id !== intent.id);
  const recent = [...state.recent, intent.id].slice(-RECENT_IDS_MAX);
  return { state: { ...state, intents, recent }, outputs: [{ kind: 'ended', intent, ending }] };
}

function replace(state: DoorsState, intent: Intent): DoorsState {
  return { ...state, intents: state.intents.map((each) => (each.id === intent.id ? intent : each)) };
}

function refusalOf(reason: string): OpenRefusal {
  if (reason === 'stopped' || reason === 'too_late') return reason;
  return reason === 'no_locks' || reason === 'unknown_channel' ? 'no_lock' : 'board_away';
}
