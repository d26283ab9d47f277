import { expect, test } from 'vitest';
import type { Reading } from '../../../src/edge/contracts/reading.ts';
import { AliveFacts } from '../../../src/edge/gateway/alive-facts.ts';
import type { JournalStatus } from '../../../src/edge/journal/journal-status.ts';
import { guardBody } from '../../../src/evidence/event/guard.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const journal: { status(): JournalStatus } = {
  status: () => ({
    logs: [],
    writer: 'open',
    room: 'ok',
    waiting: 3,
    compared: true,
    setAside: [],
    gone: [],
    leftAlone: [],
  }),
};
const observed = { wallMs: 0, upMs: 0, clock: { src: 'none' as const } };
const reading: Reading = { kind: 'device', device: 'scanner-1', observed, state: 'found', reason: 'port_open' };

test('gateway.alive counts what was heard since the one before, and says how much room the disk has', () => {
  const dir = makeTempDir('alive');
  try {
    const facts = new AliveFacts({ dataDir: dir.path, journal, lines: () => [] });
    const heard: Reading[] = [];
    const sink = facts.counting((each) => heard.push(each));
    sink(reading);
    sink(reading);
    const first = facts.take();
    expect(first).toMatchObject({ readings: 2, queued: 3 });
    expect(first['disk_free_kib']).toBeGreaterThan(0);
    expect(facts.take()).toMatchObject({ readings: 0 });
    expect(heard).toHaveLength(2);
    const body = { type: 'gateway.alive', data: { ...first, interval_ms: 60_000 } };
    expect(guardBody(body)).toEqual({ body, withheld: [] });
  } finally {
    dir.remove();
  }
});

test('a disk that does not answer is said nothing of', () => {
  const facts = new AliveFacts({ dataDir: '/nonexistent/latchkey', journal, lines: () => [] });
  expect(facts.take()).not.toHaveProperty('disk_free_kib');
});
