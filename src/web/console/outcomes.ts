/** What came of an act, as a sentence for whoever asked for it. */
import type { ActAnswer, ActRequest } from '../../edge/contracts/console-view.ts';
import { counted, titleOf } from '../kit/words.ts';
import { codeWords } from './event-words.ts';
import type { Found } from './find-out.ts';

export interface Outcome {
  readonly tone: 'good' | 'bad' | 'unsure';
  readonly text: string;
}

const REFUSALS: Readonly<Record<string, string>> = {
  not_commissioned: 'Its door was not commissioned, so nobody could see it open. Commission it on the page Devices.',
  no_lock: 'Its board has no lock that lets go by itself: this door is opened with its key.',
  interlock: 'As many doors stand open as may at once. Shut one first.',
  rate: 'It was opened too often just now. Wait a minute.',
  stopped: 'Openings are stopped for the whole site. An administrator resumes them.',
  already_open: 'It stands open already.',
  already_opening: 'It is being opened at this moment.',
  board_away: 'Its board does not answer, so the door cannot be seen. Look at the board on the page Devices.',
  recording_stopped: 'The journal takes nothing now, and what cannot be recorded does not happen. See the page Health.',
  too_late: 'The time for it was over before the lock could be reached.',
  unknown_compartment: 'The gateway has no compartment of this name.',
  role: 'Your role may not do this.',
  not_seen: 'The lock was told to open, and the door was not seen to move. Look at it: it may be jammed, or held shut.',
  no_answer: 'The lock was told to open, and its board did not answer. Look at the door before you try again.',
  locked: 'Too many wrong codes: this person is locked out for a while.',
  unknown_person_or_code: 'This code is not the one that counts now. Codes count once; wait for the next.',
  unknown_window: 'This maintenance is over already.',
  windows_full: 'Too many maintenance windows are open. End one first.',
};

/** `askedMs`: when, by this device's clock. */
export function outcomeOf(
  request: ActRequest,
  { result, reason, tookMs, compartments }: ActAnswer,
  askedMs: number,
): Outcome {
  if (result === 'refused') return { tone: 'bad', text: joined('Refused.', whyOf(reason)) };
  if (result === 'unverified') return { tone: 'unsure', text: joined('Not seen to open.', whyOf(reason)) };
  if (result === 'failed') {
    return { tone: 'bad', text: 'It failed while it was done. The log of the daemon says more; look at the site.' };
  }
  switch (request.verb) {
    case 'open':
      if (result !== 'opened') break;
      return { tone: 'good', text: `Opened${tookMs === undefined ? '' : ` after ${(tookMs / 1_000).toFixed(1)} s`}.` };
    case 'stop_pick':
      return { tone: 'good', text: 'All openings are stopped.' };
    case 'resume':
      return { tone: 'good', text: 'Doors may be opened again.' };
    case 'recount':
      if (compartments === undefined) return { tone: 'good', text: 'Counted.' };
      return { tone: 'good', text: `Counted ${counted(compartments, 'compartment')}.` };
    case 'maintain': {
      const where = request.compartments.join(', ') || 'the whole site';
      return {
        tone: 'good',
        text: `Maintenance of ${where} began, until ${timeOf(askedMs + request.minutes * 60_000)}.`,
      };
    }
    case 'end_maintenance':
      return { tone: 'good', text: 'Maintenance ended: custody counts again.' };
  }
  return { tone: 'unsure', text: joined(`${titleOf(result)}.`, whyOf(reason)) };
}

/** While the journal is asked. */
export const LOOKING: Outcome = {
  tone: 'unsure',
  text: 'The connection broke before the gateway said what came of it. Looking in its journal…',
};

export function outcomeFound(request: ActRequest, found: Found, askedMs: number): Outcome {
  switch (found.kind) {
    case 'ended': {
      const { tone, text } = outcomeOf(request, { result: found.result }, askedMs);
      return { tone, text: `The connection broke, but the journal has what came of it: ${text}` };
    }
    case 'begun':
      return {
        tone: 'unsure',
        text: 'The connection broke. The lock was about to be told to open, and no end of it is written: look at the door.',
      };
    case 'never':
      return { tone: 'bad', text: 'The connection broke, and the journal has nothing of it: it was not done.' };
    case 'unknown':
      return {
        tone: 'unsure',
        text: 'The connection broke, and the gateway does not answer: whether it was done is not known. The journal has it when the gateway is back.',
      };
  }
}

/** As the entry of the act names it. */
export function targetOf(request: ActRequest): string | undefined {
  switch (request.verb) {
    case 'open':
      return request.compartment;
    case 'maintain':
      // Several may be more than an entry holds.
      return request.compartments.length === 1 ? request.compartments[0] : undefined;
    case 'end_maintenance':
      return request.id;
    default:
      return undefined;
  }
}

function whyOf(reason: string | undefined): string {
  if (reason === undefined) return '';
  return REFUSALS[reason] ?? `Because: ${codeWords(reason) ?? reason}.`;
}

function joined(...sentences: readonly string[]): string {
  return sentences.filter((each) => each !== '').join(' ');
}

/** With the day, where it is another one. */
function timeOf(ms: number): string {
  const date = new Date(ms);
  const time = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? time : `${time} on ${date.toLocaleDateString('en-GB', { weekday: 'long' })}`;
}
