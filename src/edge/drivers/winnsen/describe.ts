/** What one frame of a Winnsen lock board says, in either direction. */
import { accept } from '../../../base/result.ts';
import { badLength, badShape, hexByte } from '../describing.ts';
import type { Described } from '../frame-description.ts';
import { END, FRAME_BYTES, REPLIED, START, STATUS, UNLOCK } from './frames.ts';

export function describe(frame: Uint8Array): Described {
  const [start, length, func, board = 0, fifth = 0, sixth = 0] = frame;
  if (start !== START) return badShape(`expected 90 at the beginning, found ${hexByte(start)}`);
  const sizeBytes = FRAME_BYTES.get(func ?? -1);
  if (sizeBytes === undefined)
    return badShape(`expected function 05, 12, 85 or 92 as third byte, found ${hexByte(func)}`);
  if (length !== sizeBytes || frame.length !== sizeBytes) {
    return badLength(
      `function ${hexByte(func)}`,
      `${sizeBytes} (and that as second byte, found ${hexByte(length)})`,
      frame.length,
    );
  }
  if (frame[sizeBytes - 1] !== END) return badShape(`expected the end mark 03, found ${hexByte(frame[sizeBytes - 1])}`);
  switch (func) {
    case STATUS:
      return accept({ direction: 'request', effect: 'reads', board, command: 'status', channels: [fifth] });
    case UNLOCK:
      return accept({ direction: 'request', effect: 'opens', board, command: 'unlock', channels: [fifth] });
    case UNLOCK | REPLIED:
      // The status says whether the board took the order (01) or not (00), not how the door is.
      return accept({
        direction: 'reply',
        effect: 'reads',
        board,
        command: 'unlock',
        channels: [fifth],
        registers: [{ value: sixth }],
      });
    default: {
      const reply = { direction: 'reply', effect: 'reads', board, command: 'status' } as const;
      return accept(fifth === 0 || fifth === 1 ? { ...reply, locks: [{ lock: sixth, feedback: fifth }] } : reply);
    }
  }
}
