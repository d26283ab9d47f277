/** Frames of the open wire for `latchkey decode`. What is sealed stays so: nobody needs a key to look at a line. */
import { describeFrame } from '../../../../firmware-protocol/codec/describe.ts';
import { accept, refuse } from '../../../base/result.ts';
import type { DescribeFrame, FrameFlaw } from '../frame-description.ts';

const FLAWS: Readonly<Record<string, FrameFlaw>> = { crc: 'checksum', long: 'length', short: 'length' };
/** Requests in the open that change a device for good. */
const SETS: ReadonlySet<string> = new Set(['ASSIGN', 'HUSH']);

export const describeLatchkey: DescribeFrame = (bytes) => {
  const found = describeFrame(bytes);
  if (!found.ok) return refuse(FLAWS[found.reason] ?? 'shape', found.detail);
  const { fromDevice, address, sealed, name, fields } = found;
  const command = sealed ? 'sealed' : (name ?? '').toLowerCase();
  const own = [...fields.map((field) => ({ value: `${field.name} ${field.value}` }))];
  return accept({
    direction: fromDevice ? 'reply' : 'request',
    // A sealed request may open a lock: without its key nobody can say that it does not.
    effect: fromDevice ? 'reads' : sealed ? 'opens' : SETS.has(name ?? '') ? 'sets' : 'reads',
    board: address,
    command,
    registers: own,
  });
};
