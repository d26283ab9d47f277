import { expect, test } from 'vitest';
import { FaultCounts } from '../../../simulators/faults/kinds.ts';
import { NO_FAULTS } from '../../../simulators/faults/plan.ts';
import { FaultyLine } from '../../../simulators/line/faulty-line.ts';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';

/** A line that splits everything; each sent chunk is taken down. */
function splitting(): { readonly line: FaultyLine; readonly scheduler: ManualScheduler; readonly sent: string[] } {
  const sent: string[] = [];
  const scheduler = new ManualScheduler();
  const send = (bytes: Uint8Array): void => void sent.push(utf8Text(bytes) ?? '');
  const none = (): Promise<void> => Promise.resolve();
  const cable = { address: 'a', plugged: true, send, plug: none, unplug: none, close: none };
  const settings = { ...NO_FAULTS, seed: 7, rates: { split: 1 } };
  return {
    line: new FaultyLine({ name: 'desk', cable, settings, counts: new FaultCounts(), scheduler }),
    scheduler,
    sent,
  };
}

const scan = (text: string) => ({ what: 'scan' as const, bytes: utf8(`]C0${text}\r\n`), suffixBytes: 2 });

test('a scan arrives in pieces, and what is said before the last of them comes after all of them', () => {
  const { line, scheduler, sent } = splitting();
  line.emit(scan('FIRST'));
  line.emit(scan('SECOND'));
  scheduler.advance(0);
  line.emit(scan('THIRD'));
  scheduler.advance(10_000);
  expect(sent.join('')).toBe(']C0FIRST\r\n]C0SECOND\r\n]C0THIRD\r\n');
  expect(sent.length).toBeGreaterThan(5);
  expect(sent).not.toContain('');
});
