/**
 * GS1 element strings: application identifiers (AI) and their values, cut at FNC1.
 *
 * Source: GS1 General Specifications sections 3.2 (the AIs), 7.8.4 (predefined lengths), 7.11 (character set 82), and
 * the GS1 syntax dictionary (gs1/gs1-syntax-dictionary, Apache-2.0). An AI that is not in the table makes the whole
 * string unread: guessing its length would put the next AI in the wrong place.
 */
import type { Gs1Element } from './scan-code.ts';

/** FNC1 as scanners transmit it inside an element string (GS General Specifications 7.8.6): ASCII GS. */
export const GROUP_SEPARATOR = '\x1d';

/** AIM identifiers whose content is an element string; the same digits under another identifier are not. */
const GS1_CARRIERS: ReadonlySet<string> = new Set([']C1', ']d2', ']Q3', ']J1', ']e0', ']e1', ']e2']);

export function isGs1Carrier(aim: string | undefined): boolean {
  return aim !== undefined && GS1_CARRIERS.has(aim);
}

interface AiRule {
  /** Digits of the AI itself: a key of 3 digits with 4 here stands for `310n`. */
  readonly aiLength: number;
  readonly numeric: boolean;
  readonly min: number;
  readonly max: number;
  /** Length is predefined: no FNC1 is needed after it. */
  readonly predefined: boolean;
}

const RULES: ReadonlyMap<string, AiRule> = rules();

const CHARACTER_SET_82 = /^[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]*$/;
const DIGITS = /^[0-9]*$/;
const ELEMENTS_MAX = 32;

/** The elements in their order, or undefined when the text is not an element string that the table can read. */
export function parseElements(text: string): readonly Gs1Element[] | undefined {
  const elements: Gs1Element[] = [];
  let at = 0;
  while (at < text.length) {
    const rule = ruleAt(text, at);
    if (rule === undefined || elements.length === ELEMENTS_MAX) return undefined;
    const ai = text.slice(at, at + rule.aiLength);
    const start = at + rule.aiLength;
    const separator = text.indexOf(GROUP_SEPARATOR, start);
    const end = rule.predefined ? start + rule.max : separator === -1 ? text.length : separator;
    const value = text.slice(start, end);
    if (value.length < rule.min || value.length > rule.max) return undefined;
    if (!(rule.numeric ? DIGITS : CHARACTER_SET_82).test(value) || !DIGITS.test(ai)) return undefined;
    elements.push({ ai, value });
    at = end;
    // A separator after a predefined length is needless, but allowed (GS1 General Specifications 7.8.4).
    if (at < text.length && text[at] === GROUP_SEPARATOR) at += 1;
  }
  return elements.length === 0 ? undefined : elements;
}

function ruleAt(text: string, at: number): AiRule | undefined {
  for (let digits = 2; digits <= 4; digits += 1) {
    const rule = RULES.get(text.slice(at, at + digits));
    if (rule !== undefined) return rule;
  }
  return undefined;
}

function rules(): ReadonlyMap<string, AiRule> {
  const table = new Map<string, AiRule>();
  const add = (
    keys: string,
    kind: 'N' | 'X',
    min: number,
    max: number,
    options: { star?: boolean; n?: boolean } = {},
  ) => {
    for (const key of expand(keys)) {
      const aiLength = key.length + (options.n === true ? 1 : 0);
      table.set(key, { aiLength, numeric: kind === 'N', min, max, predefined: options.star === true });
    }
  };
  const star = { star: true };
  add('00', 'N', 18, 18, star);
  add('01-03', 'N', 14, 14, star);
  add('10 21 22', 'X', 1, 20);
  add('11-13 15-17', 'N', 6, 6, star);
  add('20', 'N', 2, 2, star);
  add('30 37', 'N', 1, 8);
  add('235', 'X', 1, 28);
  add('240 241 250 251 400 401 403', 'X', 1, 30);
  add('242', 'N', 1, 6);
  add('243 254', 'X', 1, 20);
  add('253 255', 'X', 13, 30);
  // Measures with their decimal place as fourth digit.
  add('310-316 320-337 340-357 360-369', 'N', 6, 6, { star: true, n: true });
  add('390-393', 'N', 1, 18, { n: true });
  add('394', 'N', 4, 4, { n: true });
  add('395', 'N', 6, 6, { n: true });
  add('402', 'N', 17, 17);
  add('410-417', 'N', 13, 13, star);
  add('420', 'X', 1, 20);
  add('421', 'X', 4, 12);
  add('422 424 426', 'N', 3, 3);
  add('423 425', 'N', 3, 15);
  add('427', 'X', 1, 3);
  add('4300 4301 4310 4311', 'X', 1, 35);
  add('4302-4306 4312-4316', 'X', 1, 70);
  add('4307 4317', 'X', 2, 2);
  add('4308 4319', 'X', 1, 30);
  add('4309', 'N', 20, 20);
  add('4318', 'X', 1, 20);
  add('4320', 'X', 1, 35);
  add('4321-4323', 'N', 1, 1);
  add('4324 4325', 'N', 10, 10);
  add('4326', 'N', 6, 6);
  add('4330-4333', 'X', 6, 7);
  add('7001', 'N', 13, 13);
  add('7003', 'N', 10, 10);
  add('8002', 'X', 1, 20);
  add('8003', 'X', 14, 30);
  add('8004', 'X', 1, 30);
  add('8006', 'N', 18, 18);
  add('8017 8018', 'N', 18, 18);
  add('8020', 'X', 1, 25);
  add('90', 'X', 1, 30);
  add('91-99', 'X', 1, 90);
  return table;
}

/** `310-316 321` to single keys, with leading zeros kept. */
function expand(keys: string): readonly string[] {
  return keys.split(' ').flatMap((part) => {
    const [from = '', to] = part.split('-');
    if (to === undefined) return [from];
    const count = Number(to) - Number(from) + 1;
    return Array.from({ length: count }, (_, i) => String(Number(from) + i).padStart(from.length, '0'));
  });
}
