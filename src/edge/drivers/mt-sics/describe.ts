/** What one MT-SICS line says, in either direction. */
import { accept, refuse } from '../../../base/result.ts';
import type { DescribeFrame } from '../frame-description.ts';
import { lineText } from '../text-lines.ts';
import { LINE_BYTES_MAX, parseSics, sicsGrams } from './messages.ts';

const SETS: ReadonlySet<string> = new Set(['Z', 'ZI', 'T', 'TI', '@']);

export const describeSics: DescribeFrame = (frame) => {
  if (frame.length < 2 || frame.length > LINE_BYTES_MAX || frame[frame.length - 1] !== 0x0a) {
    return refuse('length', `expected one line of at most ${LINE_BYTES_MAX} bytes that ends in 0D 0A`);
  }
  const message = parseSics(lineText(frame));
  switch (message.kind) {
    case 'other':
      return refuse('shape', 'expected an MT-SICS identifier, status and value');
    case 'command':
      return accept({
        direction: 'request',
        effect: SETS.has(message.word) ? 'sets' : 'reads',
        command: message.word.toLowerCase(),
      });
    case 'identity':
      return accept({ direction: 'reply', effect: 'reads', command: 'identity', registers: [{ value: message.text }] });
    case 'error':
      return accept({ direction: 'reply', effect: 'reads', command: 'error', registers: [{ value: message.word }] });
    case 'no_value':
      return accept({ direction: 'reply', effect: 'reads', command: `weight_${message.state}` });
    case 'weight': {
      const grams = sicsGrams(message);
      const registers = [{ value: grams === undefined ? `${message.value} ${message.unit}` : `${grams} g` }];
      return accept({ direction: 'reply', effect: 'reads', command: `weight_${message.state}`, registers });
    }
  }
};
