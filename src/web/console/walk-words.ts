/** A commissioning in words, for somebody who stands before the wall: what to do at each step, and what was seen. */

export interface WalkWords {
  readonly title: string;
  readonly text: string;
}

export const STEPS: Readonly<Record<string, WalkWords>> = {
  looking: { title: 'Hands off', text: 'All doors shut, nobody touches one. The gateway looks at every channel.' },
  shut: {
    title: 'Shut all doors',
    text: 'A door of this board reads otherwise than the others. Shut this one and all of them.',
  },
  open: { title: 'Open this door', text: 'This one, and no other. With its key, or by hand.' },
  close: { title: 'Now shut it', text: 'Until it latches.' },
};

export const VERDICTS: Readonly<Record<string, string>> = {
  commissioned: 'Commissioned: it was seen closed, open and closed, and signed.',
  other_channel:
    'Another channel moved than the settings name. The wires are swapped, or the settings are: correct one of them.',
  unlike_neighbours:
    'It reads the other way round than all other doors of its board. If it stood shut at the beginning, walk it with "latchkey commission --accept-unlike".',
  not_all_shut:
    'Not all doors of its board are shut, or one is not wired. Shut them all; if they are, and are wired in different ways, walk it with "latchkey commission --accept-unlike".',
  board_away: 'Its board does not answer: look at its power and its line.',
  no_change: 'Nothing moved. The door was not opened, or no feedback is wired: "closed" and "not wired" read alike.',
  several_moved: 'Several channels moved. Was another door touched? Otherwise look for joined wires.',
  restless: 'Something moves by itself. Look for a loose contact, or a door that does not latch.',
  not_closed: 'It was not seen to shut again. Shut it until it latches, and walk it again.',
};

interface Wire {
  readonly device: string;
  readonly channel: number;
}

/** Which channel it was instead, and whose that is. */
export function otherWords(found: Wire | undefined, foundIs: string | undefined): string {
  if (found === undefined) return '';
  const whose = foundIs === undefined ? '' : `, which the settings call ${foundIs}`;
  return ` What moved is ${found.device}, channel ${found.channel}${whose}.`;
}
