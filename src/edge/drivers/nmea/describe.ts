/** What one NMEA 0183 sentence says. */
import { accept, refuse } from '../../../base/result.ts';
import type { DescribeFrame } from '../frame-description.ts';
import { lineText } from '../text-lines.ts';
import { parseSentence, positionIn, SENTENCE_BYTES_MAX } from './sentence.ts';

export const describeNmea: DescribeFrame = (frame) => {
  if (frame.length < 2 || frame.length > SENTENCE_BYTES_MAX || frame[frame.length - 1] !== 0x0a) {
    return refuse('length', `expected one line of at most ${SENTENCE_BYTES_MAX} bytes that ends in 0D 0A`);
  }
  const sentence = parseSentence(lineText(frame));
  if (!sentence.ok) return refuse(sentence.reason, sentence.detail);
  const { talker, type } = sentence.value;
  const said = positionIn(sentence.value);
  const base = { direction: 'reply', effect: 'reads', command: `${talker}${type}`.toLowerCase() } as const;
  if (said === undefined) return accept(base);
  const { fix } = said;
  if (fix === undefined) return accept({ ...base, registers: [{ value: 'no fix' }] });
  return accept({ ...base, registers: [{ value: degrees(fix.latitude) }, { value: degrees(fix.longitude) }] });
};

function degrees(microdegrees: number): string {
  const digits = String(Math.abs(microdegrees)).padStart(7, '0');
  return `${microdegrees < 0 ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}
