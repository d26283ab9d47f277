/**
 * `latchkey decode FAMILY HEX...`: what one captured frame of a device says. Needs no gateway and no settings, so a bit
 * stays a bit: what it means is commissioned.
 */
import { LatchkeyError } from '../../base/errors.ts';
import { describedFamilies, describerOf, familyName } from '../../edge/drivers/describe/table.ts';
import type { FrameDescription } from '../../edge/drivers/frame-description.ts';
import type { CommandIo } from '../command.ts';

const DAMAGED = 2;
/** The longest frame of any family is below 64 KiB; a file of hex is not what this is for. */
const BYTES_MAX = 65_536;

export function isFrameFamily(name: string): boolean {
  return describerOf(name) !== undefined;
}

/** The exit code: 0 for a sound frame, 2 for a damaged one. Throws USAGE for an unknown family and for what is not hex. */
export function decodeFrame(typed: string, hexWords: readonly string[], json: boolean, io: CommandIo): number {
  const family = familyName(typed);
  const describe = describerOf(family);
  if (describe === undefined) {
    const known = describedFamilies().join(', ');
    throw new LatchkeyError('USAGE', `decode: there is no family ${JSON.stringify(typed)}; known are ${known}`);
  }
  const frame = bytesOf(hexWords);
  const described = describe(frame);
  if (!described.ok) {
    const { reason, detail } = described;
    if (json) io.out(JSON.stringify({ family, error: { reason, detail } }));
    else io.out(`damaged (${reason}): ${detail}`);
    return DAMAGED;
  }
  const { direction, board, command, locks, scan } = described.value;
  const registers = registersOf(described.value);
  if (json) io.out(JSON.stringify({ family, direction, board, command, locks, registers, scan }));
  else for (const line of describeLines(family, described.value)) io.out(line);
  return 0;
}

function bytesOf(words: readonly string[]): Uint8Array {
  const text = words.join('').replaceAll(/[\s:,]|0x/gi, '');
  if (!/^(?:[0-9a-f]{2})+$/i.test(text)) {
    const found = text === '' ? 'none' : JSON.stringify(words.join(' ').slice(0, 80));
    throw new LatchkeyError('USAGE', `decode: expected the frame's bytes as pairs of hex digits, found ${found}`);
  }
  if (text.length > 2 * BYTES_MAX) {
    throw new LatchkeyError('USAGE', `decode: expected at most ${BYTES_MAX} bytes, found ${text.length / 2}`);
  }
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** Locks that a frame names without a state of theirs stand among the values that it carries. */
function registersOf({ channels = [], locks = [], registers }: FrameDescription): FrameDescription['registers'] {
  const named = channels.filter((channel) => !locks.some(({ lock }) => lock === channel));
  if (named.length === 0) return registers;
  return [...named.map((channel) => ({ value: `lock ${channel}` })), ...(registers ?? [])];
}

const EFFECTS: Readonly<Record<FrameDescription['effect'], string>> = {
  reads: '',
  opens: '; OPENS or releases a lock',
  sets: '; changes the device',
};

function describeLines(family: string, found: FrameDescription): readonly string[] {
  const { direction, effect, board, command, locks = [], scan } = found;
  const registers = registersOf(found) ?? [];
  const at = board === undefined ? '' : `, address ${board}`;
  const what = direction === 'either' ? 'request or reply' : direction;
  return [
    `${family}: ${what}${command === undefined ? '' : ` ${printable(command)}`}${at}${effect === 'reads' ? '' : EFFECTS[effect]}`,
    ...locks.map(({ lock, feedback, item }) => {
      return `  lock ${lock}: feedback ${feedback}${item === undefined ? '' : `, item ${item}`}`;
    }),
    ...registers.map(({ address, value }) => {
      return `  ${address === undefined ? '' : `${address}: `}${typeof value === 'string' ? printable(value) : value}`;
    }),
    ...(scan === undefined ? [] : [scanLine(scan)]),
  ];
}

function scanLine({ symbology, text, check_digit_ok }: NonNullable<FrameDescription['scan']>): string {
  const check = check_digit_ok === undefined ? '' : check_digit_ok ? ', check digit right' : ', check digit WRONG';
  return `  ${symbology}: ${printable(text)}${check}`;
}

/** A frame may hold anything: what a terminal would obey is shown as its number. */
function printable(text: string): string {
  return text.replaceAll(
    /[^\x20-\x7e\u00a1-\uffff]/g,
    (letter) => `\\x${(letter.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
}
