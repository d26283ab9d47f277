/**
 * Commands that a host sends to scanners of other makes, and their framed answers. None of them carries a check value:
 * what is described has the shape, and no more is known.
 */
import { utf8Text } from '../../../base/bytes.ts';
import { accept } from '../../../base/result.ts';
import { recogniseCode } from '../../../evidence/event/recognise-code.ts';
import { badLength, badShape, hexByte } from '../describing.ts';
import type { Described, FrameEffect } from '../frame-description.ts';

const SYN = 0x16;
const CR = 0x0d;
const ESC = 0x1b;
const FE = 0xfe;
const GS = 0x1d;
const DOT = 0x2e;
const BANG = 0x21;

const HONEYWELL_SHORT: ReadonlyMap<number, string> = new Map([
  [0x54, 'trigger'],
  [0x55, 'untrigger'],
  [0x07, 'beep'],
]);
const MENU_ANSWERS: ReadonlyMap<number, string> = new Map([
  [0x06, 'ok'],
  [0x05, 'unknown_tag'],
  [0x15, 'refused'],
]);

/** `16 xx 0D`, `16 4D 0D tag .|!`, the echo of a menu command, and codes behind the header that DECHDR1 turns on. */
export function describeHoneywell(frame: Uint8Array): Described {
  const [first, second, third] = frame;
  if (first === SYN && second === FE) return describeHeader(frame);
  const short = second === undefined ? undefined : HONEYWELL_SHORT.get(second);
  if (first === SYN && short !== undefined) {
    if (frame.length !== 3 || third !== CR) return badLength(`${short} (16 xx 0D)`, '3', frame.length);
    return accept({ direction: 'request', effect: 'sets', command: short });
  }
  const mark = frame.at(-1);
  if (mark !== DOT && mark !== BANG) return badShape(`expected . or ! at the end, found ${hexByte(mark)}`);
  if (first === SYN) {
    const tag = utf8Text(frame.subarray(3, -1)) ?? '';
    if (second !== 0x4d || third !== CR || !isPrintable(tag)) return badShape('expected 16 4D 0D and a menu command');
    const reads = tag === 'REVINF' || /[?^*]$/.test(tag);
    return accept({ direction: 'request', effect: reads ? 'reads' : 'sets', command: tag });
  }
  const answer = MENU_ANSWERS.get(frame.at(-2) ?? 0);
  const text = utf8Text(frame.subarray(0, -2));
  if (answer === undefined || text === undefined || text === '') {
    return badShape('expected the text of a menu command, then 06, 05 or 15 before the mark');
  }
  return accept({ direction: 'reply', effect: 'reads', command: answer, registers: [{ value: text }] });
}

/** `16 FE len32 0D "MSGGET" nnnn id aim aim 1D data 0D`. */
function describeHeader(frame: Uint8Array): Described {
  const size = frame.slice(2, 6).reduceRight((total, byte) => total * 256 + byte, 0);
  const rest = frame.length - 7;
  if (rest < 0 || (size !== rest && size !== rest - 1)) return badLength('a code with header', `${size} more`, rest);
  const mark = frame.indexOf(GS, 7);
  const head = utf8Text(frame.subarray(7, mark === -1 ? 7 : mark)) ?? '';
  const aim = /^MSGGET\d{4}.(..)$/s.exec(head)?.[1];
  if (frame[6] !== CR || aim === undefined) return badShape('expected 0D, MSGGET, four digits, three letters and 1D');
  const data = frame.subarray(mark + 1, frame.at(-1) === CR ? -1 : frame.length);
  const code = recogniseCode(data, `]${aim}`);
  if (code.text === undefined) return accept({ direction: 'reply', effect: 'reads', command: 'code' });
  return accept({
    direction: 'reply',
    effect: 'reads',
    command: 'code',
    scan: { symbology: `]${aim}`, text: code.text },
  });
}

const OPTICON: ReadonlyMap<string, readonly [string, FrameEffect]> = new Map([
  ['Z', ['trigger', 'sets']],
  ['Y', ['untrigger', 'sets']],
  ['B', ['good_beep', 'sets']],
  ['E', ['error_beep', 'sets']],
  ['L', ['led', 'sets']],
  ['Z1', ['version', 'reads']],
  ['Z2', ['save', 'sets']],
]);

/** `1B command 0D`; longer commands are settings, behind `[` or `]`. */
export function describeOpticon(frame: Uint8Array): Described {
  if (frame.length < 3) return badLength('a command', 'at least 3', frame.length);
  if (frame[0] !== ESC) return badShape(`expected 1B at the beginning, found ${hexByte(frame[0])}`);
  if (frame.at(-1) !== CR) return badShape(`expected 0D at the end, found ${hexByte(frame.at(-1))}`);
  const text = utf8Text(frame.subarray(1, -1)) ?? '';
  const known = OPTICON.get(text);
  if (known !== undefined) return accept({ direction: 'request', command: known[0], effect: known[1] });
  if (/^(?:\[[A-Z0-9]{3}|\][A-Z0-9]{4})+$/.test(text)) {
    return accept({ direction: 'request', effect: 'sets', command: `setting ${text}` });
  }
  return badShape('expected a command of one letter, Z1, Z2, or settings behind [ or ]');
}

const DATALOGIC: ReadonlyMap<string, readonly [string, FrameEffect]> = new Map([
  ['E', ['enable', 'sets']],
  ['D', ['disable', 'sets']],
  ['R', ['reset', 'sets']],
  ['B', ['beep', 'sets']],
  ['\x01', ['force_beep', 'sets']],
  ['F', ['not_on_file', 'sets']],
  ['i', ['identity', 'reads']],
  ['h', ['health', 'reads']],
  ['s', ['statistics', 'reads']],
  ['T', ['trigger', 'sets']],
  ['X', ['untrigger', 'sets']],
]);

/** One letter asked; identity, health and statistics are answered by `01 02 text 03 04`. */
export function describeDatalogic(frame: Uint8Array): Described {
  if (frame.length === 1) {
    const known = DATALOGIC.get(String.fromCharCode(frame[0] ?? 0));
    if (known === undefined) return badShape(`expected a known command, found ${hexByte(frame[0])}`);
    return accept({ direction: 'request', command: known[0], effect: known[1] });
  }
  if (frame.length < 5) return badLength('an answer', 'at least 5', frame.length);
  const [soh, stx] = frame;
  if (soh !== 0x01 || stx !== 0x02 || frame.at(-2) !== 0x03 || frame.at(-1) !== 0x04) {
    return badShape('expected 01 02 at the beginning and 03 04 at the end');
  }
  const value = utf8Text(frame.subarray(2, -2));
  if (value === undefined) return badShape('expected text between 02 and 03');
  return accept({ direction: 'reply', effect: 'reads', command: 'answer', registers: [{ value }] });
}

function isPrintable(text: string): boolean {
  return /^[ -~]{1,64}$/.test(text);
}
