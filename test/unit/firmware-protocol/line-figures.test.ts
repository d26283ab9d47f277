/** What the benchmark of the open wire computes: OSDP's bytes, and its own section of the results. */
import { expect, test } from 'vitest';
import { OPEN_WIRE_HEAD, osdpBytes, withOpenWire } from '../../bench/report-open-wire.ts';

test('an OSDP packet is as long as its clauses make it', () => {
  // POLL and ACK of the standard's examples: 53 00 08 00 04 60 BA 00.
  expect(osdpBytes(0, 'plain')).toBe('5300080004 60 BA00'.replaceAll(' ', '').length / 2);
  expect(osdpBytes(12, 'plain')).toBe(20);
  // Header, security block 02 15, POLL, four bytes of MAC, CRC.
  expect(osdpBytes(0, 'secure')).toBe(5 + 2 + 1 + 4 + 2);
  // Text that fills its block gets another one for the padding.
  expect([12, 15, 16].map((size) => osdpBytes(size, 'secure'))).toEqual([30, 30, 46]);
});

test('a section of the results takes the place of the one before, and nothing else changes', () => {
  const section = `${OPEN_WIRE_HEAD}\n\nnew\n`;
  expect(withOpenWire('# Speed\n\n## Machine\n', section)).toBe(`# Speed\n\n## Machine\n\n${section}`);
  const before = `# Speed\n\n${OPEN_WIRE_HEAD}\n\nold\n`;
  expect(withOpenWire(before, section)).toBe(`# Speed\n\n${section}`);
  expect(withOpenWire(`${before}\n## Later\n`, section)).toBe(`# Speed\n\n${section}\n## Later\n`);
});
