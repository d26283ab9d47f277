/** What one frame of Toledo continuous output says. */
import { accept, refuse } from '../../../base/result.ts';
import type { DescribeFrame } from '../frame-description.ts';
import { parseToledo, toledoChecksum, toledoFlaw, toledoGrams } from './frames.ts';

export const describeToledo: DescribeFrame = (frame) => {
  const flaw = toledoFlaw(frame);
  if (flaw === 'length') return refuse(flaw, `expected 17 bytes, or 18 with a checksum, found ${frame.length}`);
  if (flaw === 'shape') return refuse(flaw, 'expected STX, three status words, twelve digits and CR');
  if (flaw === 'checksum') {
    const expected = toledoChecksum(frame.subarray(0, frame.length - 1));
    return refuse(flaw, `expected checksum ${hex2(expected)}, found ${hex2(frame.at(-1) ?? 0)}`);
  }
  const said = parseToledo(frame);
  const grams = toledoGrams(said);
  const shown = grams === undefined ? `${said.value} ${said.unit}` : `${grams} g`;
  return accept({
    direction: 'reply',
    effect: 'reads',
    command: `weight_${said.state}`,
    registers: [{ value: shown }, { value: said.net ? 'net' : 'gross' }, { value: `tare ${said.tare} ${said.unit}` }],
  });
};

function hex2(value: number): string {
  return value.toString(16).padStart(2, '0').toUpperCase();
}
