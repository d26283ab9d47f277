/** `latchkey pair` while the gateway runs: the line of the device does it, between two questions of its own. */
import { LatchkeyError } from '../../base/errors.ts';
import type { ControlOut } from '../control/server.ts';
import type { Line, PairedDevice } from '../drivers/line.ts';

const CODE_CHARS_MAX = 256;

/** Throws USAGE, and whatever `Line.pair` rejects with. The code is never repeated, and nobody writes it down. */
export async function pairDeviceOf(
  lines: readonly Line[],
  args: Readonly<Record<string, unknown>>,
  out: Pick<ControlOut, 'progress'>,
  signal: AbortSignal,
): Promise<PairedDevice> {
  const { device, code } = args;
  if (typeof device !== 'string') throw new LatchkeyError('USAGE', 'expected the name of a device');
  if (code !== undefined && (typeof code !== 'string' || code.length > CODE_CHARS_MAX)) {
    throw new LatchkeyError('USAGE', 'code: expected the text of a label');
  }
  const line = lines.find((one) => one.pair !== undefined && one.status().devices.some(({ name }) => name === device));
  if (line?.pair === undefined) {
    throw new LatchkeyError(
      'USAGE',
      `the running gateway has no device ${JSON.stringify(device)} with "driver: latchkey": start it again with these settings`,
    );
  }
  const say = (step: string): void => void out.progress({ step }).catch(() => undefined);
  return line.pair(device, { ...(code !== undefined && { code }), say, signal });
}
