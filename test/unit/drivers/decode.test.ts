import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { parseCommandArgs } from '../../../src/cli/command.ts';
import { decodeCommand } from '../../../src/cli/commands/decode.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { describedFamilies } from '../../../src/edge/drivers/describe/table.ts';
import { bytesOf, hexOf } from './support.ts';

interface Vector {
  readonly family: string;
  readonly name: string;
  readonly hex: string;
  readonly check?: boolean;
}

function vectors(file: string): readonly Vector[] {
  const url = new URL(`../../vectors/${file}`, import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { readonly frames: readonly Vector[] }).frames;
}

const ALL = [
  ...vectors('lock-board-frames.json'),
  ...vectors('instrument-frames.json'),
  ...vectors('reader-frames.json'),
];
/** Without a check value a flipped byte can be another sound frame. */
const UNCHECKED: ReadonlySet<string> = new Set(['winnsen', 'mt_sics', 'honeywell', 'opticon', 'datalogic']);

interface Decoded {
  readonly code: number;
  readonly out: readonly string[];
}

async function decode(...words: readonly string[]): Promise<Decoded> {
  const spec = COMMANDS.find(({ name }) => name === 'decode');
  if (spec === undefined) throw new Error('no command is named decode');
  const out: string[] = [];
  const io = {
    out: (line: string) => void out.push(line),
    err: () => undefined,
    write: () => Promise.resolve(),
    signal: new AbortController().signal,
  };
  const code = await decodeCommand(parseCommandArgs(spec, words), io);
  return { code, out };
}

async function decodeJson(...words: readonly string[]): Promise<unknown> {
  const { out } = await decode('--json', ...words);
  return JSON.parse(out[0] ?? '');
}

test.each(ALL)('$family $name is sound', async ({ family, hex }) => {
  const { code, out } = await decode(family, hex);
  expect(out.join('\n')).not.toMatch(/damaged/);
  expect(code).toBe(0);
});

test('every family that can be named has a frame among the vectors', () => {
  const seen = new Set(ALL.map(({ family }) => family));
  const aliases = ['bcc_8a80', 'ssi_scanner', 'toledo_continuous'];
  // The wire of this project's own devices has its vectors with its protocol.
  const expected = describedFamilies().filter((name) => !aliases.includes(name) && name !== 'latchkey');
  expect(expected.filter((name) => !seen.has(name))).toEqual([]);
});

test('each frame of a family with a check value is refused with any one byte flipped, and what was expected is said', async () => {
  const checked = ALL.filter(({ family, check }) => !UNCHECKED.has(family) && (family !== 'newland' || check === true));
  expect(checked.length).toBeGreaterThan(60);
  for (const { family, name, hex } of checked) {
    const frame = bytesOf(hex);
    for (const index of frame.keys()) {
      const damaged = Uint8Array.from(frame);
      damaged[index] = (damaged[index] ?? 0) ^ 0x41;
      const { code, out } = await decode(family, hexOf(damaged));
      expect(code, `${family} ${name} byte ${index}: ${out[0]}`).toBe(2);
      expect(out[0]).toMatch(/^damaged \((?:length|checksum|shape)\): expected .+/);
    }
  }
});

describe('what a frame says', () => {
  test('hex is one argument or many, in any case, with or without spaces', async () => {
    const whole = await decodeJson('bcc_8a80', '8001ffffff334d');
    expect(await decodeJson('bcc_8a80', '80', '01', 'FF', 'ff', 'Ff', '33', '4d')).toEqual(whole);
    expect(await decodeJson('BCC_8A80', '80 01 FF', 'FFFF33 4D')).toEqual(whole);
    expect(await decodeJson('bcc-8a80', '8001ffffff334d')).toEqual(whole);
    expect(whole).toMatchObject({ family: 'bcc_8a80', board: 1 });
  });

  test('locks and item sensors of a KERONG board', async () => {
    const said = (await decodeJson('kerong_cu16', '02 10 35 F7 FF 00 00 03 40')) as { readonly locks: unknown[] };
    expect(said).toMatchObject({ family: 'kerong_cu16', direction: 'reply', board: 1 });
    expect(said.locks).toHaveLength(16);
    expect(said.locks[3]).toMatchObject({ lock: 4, feedback: 0, item: 0 });
    expect(said.locks[4]).toMatchObject({ lock: 5, feedback: 1 });
  });

  test('a scan, with its check digit', async () => {
    const hex = '1C F3 00 00 0F 5D 43 31 30 30 33 34 30 31 32 33 34 35 30 30 30 30 30 30 30 30 31 34 FA 36';
    expect(await decodeJson('ssi', hex)).toMatchObject({
      scan: { symbology: 'gs1_128', text: '00340123450000000014', check_digit_ok: false },
    });
  });

  test('an unlock is shown as what it is', async () => {
    expect((await decode('wkly', '57 4B 4C 59 08 00 86 87')).out[0]).toMatch(/OPENS/);
    expect((await decode('kerong_cu16', '02 00 30 03 35')).out[0]).not.toMatch(/OPENS/);
  });

  test('which lock a request names, for people and for programs', async () => {
    for (const [family, hex, locks] of [
      ['kerong_cu16', '02 0F 31 03 45', [16]],
      ['kerong_cu48', '02 00 04 61 03 6A', [5]],
      ['bcc_8a80', '8A 02 0C 11 95', [12]],
      ['bcc_8a80', '90 01 02 02 02 93', [2, 10, 18]],
      ['wkly', '57 4B 4C 59 09 00 83 01 82', [1]],
      ['winnsen', '90 07 85 00 01 01 03', [1]],
    ] as const) {
      const { out } = await decode(family, hex);
      for (const lock of locks) expect(out).toContain(`  lock ${lock}`);
      const { registers } = (await decodeJson(family, hex)) as { readonly registers: readonly unknown[] };
      expect(registers.slice(0, locks.length)).toEqual(locks.map((lock) => ({ value: `lock ${lock}` })));
    }
    // A reply that tells the state of its lock names it there, once.
    expect(await decodeJson('wkly', '57 4B 4C 59 0B 01 82 00 04 00 85')).not.toHaveProperty('registers');
  });

  test('OSDP: a secure block with MAC and encrypted data, and a reply with its address bit', async () => {
    // Built by the rule of the standard: SCS_17, three bytes of data, four of MAC, and the sum form.
    const head = [0x53, 0x85, 0x11, 0x00, 0x09, 0x02, 0x17, 0x50, 0xaa, 0xbb, 0xcc, 0x01, 0x02, 0x03, 0x04, 0x05];
    const frame = Uint8Array.of(...head, -head.reduce((total, byte) => total + byte) & 255);
    expect(await decodeJson('osdp', hexOf(frame))).toEqual({
      family: 'osdp',
      direction: 'reply',
      board: 5,
      command: 'raw',
      registers: [{ value: 'sequence 1' }, { value: 'secure channel SCS_17' }, { value: '4 encrypted bytes' }],
    });
  });

  test('damage says what was given and what the bytes come to', async () => {
    const { code, out } = await decode('--json', 'kerong_cu16', '02 00 30 03 36');
    expect(code).toBe(2);
    expect(JSON.parse(out[0] ?? '')).toMatchObject({
      error: { reason: 'checksum', detail: expect.stringMatching(/35.*36/) },
    });
  });

  test('a control byte in a text never reaches the terminal', async () => {
    const { out } = await decode('datalogic', '01 02 1B 5B 32 4A 03 04');
    expect(out.join('')).toContain('\\x1b[2J');
  });
});

test('no such family, no hex, half a byte: wrong usage', async () => {
  for (const words of [['krong_cu16', '02'], ['ssi'], ['ssi', ''], ['ssi', '0'], ['ssi', 'zz']]) {
    const error = await decode(...words).catch((reason: unknown) => reason);
    expect(error, words.join(' ')).toBeInstanceOf(LatchkeyError);
    expect(error).toMatchObject({ code: 'USAGE', exitCode: 64 });
  }
});
