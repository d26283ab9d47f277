import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { NaiveTree } from './support/naive-tree.ts';
import { Oracle, scanNumbers } from './support/oracle.ts';
import { committedEntries, type StoredLog } from './support/store-files.ts';

const ORIGIN = 'lockers.example/gw-rig/1-9f2c01aa';
const ROOT = 'latchkey/v1/0e/gw-rig';

function scan(n: number, number = n): string {
  return JSON.stringify({ data: { text: `LK-${String(number).padStart(7, '0')}` }, n, type: 'code.scanned' });
}

const LINES = Array.from({ length: 5 }, (_, n) => scan(n, n + 1));
const tree = new NaiveTree(LINES);

function note(size: number, root = tree.root(size)): string {
  return `${ORIGIN}\n${size}\n${root}\n\n- signatures\n`;
}

function batch(first: number, lines: readonly string[], checkpoint = note(first + lines.length)): string {
  const header = JSON.stringify({ checkpoint, count: lines.length, first, log: ORIGIN });
  return `${[header, ...lines, '{"sig":""}'].join('\n')}\n`;
}

function stored(lines: readonly string[] = LINES): StoredLog {
  const cosigned = [
    { size: 3, root: tree.root(3) },
    { size: 5, root: tree.root(5) },
  ];
  return { origin: ORIGIN, entries: lines.map((line, n) => ({ n, line })), cosigned };
}

let oracle: Oracle;
const see = (name: string, text: string): void =>
  oracle.take({ topic: `${ROOT}/${name}`, payload: new TextEncoder().encode(text) });

beforeEach(() => {
  oracle = new Oracle();
  see('batch', batch(0, LINES.slice(0, 3)));
  see('batch', batch(3, LINES.slice(3)));
  see('checkpoint/1-9f2c01aa', note(5));
  see('receipt/1-9f2c01aa/c0ffee00', note(5));
});

describe('the oracle', () => {
  test('finds nothing where everything that left is stored once', () => {
    see('batch', batch(3, LINES.slice(3)));
    expect(oracle.judge([stored()])).toEqual([]);
    expect(oracle).toMatchObject({ entriesSeen: 5, lastScan: 5, batches: 3, receipts: 1, origins: [ORIGIN] });
  });

  test('sees an index that is used twice', () => {
    see('batch', batch(4, [scan(4, 9)], note(5)));
    expect(oracle.judge([stored()])).toEqual([`index 4 of ${ORIGIN} left with two contents`]);
  });

  test.each(['batch', 'checkpoint', 'receipt'] as const)('sees a second root for one size in a %s', (where) => {
    const other = note(5, tree.root(4));
    if (where === 'batch') see('batch', batch(3, LINES.slice(3), other));
    else see(`${where}/1-9f2c01aa`, other);
    expect(oracle.judge([stored()])).toEqual([`a ${where} shows a second root for size 5 of ${ORIGIN}`]);
  });

  test('sees what is missing, other, stored twice, out of order or in another tree', () => {
    expect(oracle.judge([])).toContain(`nothing of ${ORIGIN} is stored`);
    expect(oracle.judge([stored(LINES.slice(0, 4))])).toContain('index 4 left the gateway and is not here');
    expect(oracle.judge([stored([...LINES.slice(0, 4), scan(4, 7)])])).toEqual(
      expect.arrayContaining([
        'index 4 left the gateway and is other here',
        'the root at size 5 is not that of the stored entries',
        'the cosigned root at 5 is not that of the stored entries',
      ]),
    );
    const twice = stored();
    expect(oracle.judge([{ ...twice, entries: [...twice.entries, { n: 2, line: LINES[2] ?? '' }] }])).toContain(
      'index 2 is stored twice',
    );
    const [a = '', b = '', ...rest] = LINES;
    expect(oracle.judge([stored([b, a, ...rest])])).toContain('scan 1 follows scan 2');
    const gap = stored();
    expect(oracle.judge([{ ...gap, entries: gap.entries.filter(({ n }) => n !== 1) }])).toContain(
      '4 entries are stored, the first 1 without a gap',
    );
  });

  test('sees a receipt for what is not stored, or not noted as cosigned', () => {
    expect(oracle.unstoredReceipts([stored()])).toEqual([]);
    expect(oracle.unstoredReceipts([])).toHaveLength(2);
    expect(oracle.unstoredReceipts([stored(LINES.slice(0, 4))])).toEqual([
      `a receipt of ${ORIGIN} says 5, the files hold 4`,
    ]);
    expect(oracle.unstoredReceipts([{ ...stored(), cosigned: [{ size: 3, root: tree.root(3) }] }])).toEqual([
      `a receipt of ${ORIGIN} says 5, noted as cosigned is 3`,
    ]);
  });

  test('sees two cosigned roots for one size', () => {
    const log = stored();
    const twice = { ...log, cosigned: [...log.cosigned, { size: 3, root: tree.root(4) }] };
    expect(oracle.judge([twice])).toContain('two roots were noted as cosigned for size 3');
  });
});

describe('what the oracle reads', () => {
  test('a torn end does not count as stored', () => {
    const text = `{"#":"segment","first":0}\n${scan(0)}\n{"#":"commit","first":0,"count":1}\n${scan(1)}\n{"#":"comm`;
    expect(committedEntries(text)).toEqual([{ n: 0, line: scan(0) }]);
    expect(scanNumbers([scan(0, 4), '{"type":"door.opened","data":{}}'])).toEqual([4]);
  });

  test('the tree is that of RFC 6962', () => {
    expect(new NaiveTree([]).root(0)).toBe(createHash('sha256').digest('base64'));
    // Leaves "" and 0x00 of the Certificate Transparency test vectors.
    const two = new NaiveTree(['', '\0']);
    expect(Buffer.from(two.root(1), 'base64').toString('hex')).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    expect(Buffer.from(two.root(2), 'base64').toString('hex')).toBe(
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    );
  });
});
