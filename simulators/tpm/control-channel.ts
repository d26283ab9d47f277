/**
 * swtpm's control channel: what the board around a TPM does to it (swtpm_ioctls(3)). Requests are a command number,
 * results begin with a result code, all big-endian.
 */
import { concatBytes } from '../../src/base/bytes.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import { askOnce, type TpmAddress } from './packets.ts';

const COMMANDS = { getCapability: [1], powerCycle: [2, 0], shutdown: [3] } as const;
/** PTM_CAP is 64 bits wide and carries no result code. */
const ANSWER_BYTES = { getCapability: 8, powerCycle: 4, shutdown: 4 } as const;

export type ControlCommand = keyof typeof COMMANDS;

/**
 * Resolves when swtpm did it. Rejects with PORT_UNAVAILABLE when nobody listens, with TIMED_OUT without an answer (a
 * TPM that is stopped, or another client on the channel), with INTERNAL when swtpm says no.
 */
export async function control(address: TpmAddress, command: ControlCommand, limitMs: number): Promise<void> {
  const words = COMMANDS[command];
  const request = new DataView(new ArrayBuffer(4 * words.length));
  for (const [at, word] of words.entries()) request.setUint32(4 * at, word);
  let answer: Uint8Array = new Uint8Array(0);
  const result = await askOnce(address, new Uint8Array(request.buffer), limitMs, (chunk) => {
    answer = concatBytes(answer, chunk);
    return answer.length >= ANSWER_BYTES[command] ? answer : undefined;
  });
  if (result === 'late') throw new LatchkeyError('TIMED_OUT', `swtpm did not answer ${command} in ${limitMs} ms`);
  const code = new DataView(result.buffer, result.byteOffset).getUint32(0);
  if (command !== 'getCapability' && code !== 0) {
    throw new LatchkeyError('INTERNAL', `swtpm refused ${command} with result 0x${code.toString(16)}`);
  }
}
