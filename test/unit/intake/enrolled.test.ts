/** Logs that are believed because an enrolment service of the policy signed a record about them. */
import { describe, expect, test } from 'vitest';
import { formatEnrolment } from '../../../src/evidence/wire/messages.ts';
import { intakeStatus } from '../../../src/risk/intake/status.ts';
import type { IntakePolicy } from '../../../src/risk/intake/trust.ts';
import { TestEnroller } from '../../support/test-enrolments.ts';
import { TestTpm } from '../../support/test-tpm.ts';
import { grow, newLog } from './events.ts';
import { Harness, policyFor } from './harness.ts';

const service = new TestEnroller();
const stranger = new TestEnroller('another.example');
const tpm = new TestTpm('enrolled');

function policyOf(...domains: readonly string[]): IntakePolicy {
  const row = { vkey: service.vkey, domains: domains.length === 0 ? ['lockers.example'] : domains };
  return { logs: new Map(), successors: [], services: [row] };
}

async function enrol(h: Harness, by: TestEnroller, log = newLog()): Promise<void> {
  const record = by.record(log, { tpm });
  await h.send('gw-0001', 'enrolment', formatEnrolment({ record, successors: [] }));
}

describe('a log of an enrolled gateway', () => {
  const log = grow(newLog(), 6);

  test('is believed by its record: what waited is taken, and later starts need no broker for it', async () => {
    const h = await new Harness().open(policyOf());
    await h.batch(log, log.batch(0, 3));
    expect(h.outcomes('unknown_origin')).toBe(1);
    await enrol(h, service);
    expect(h.receipts(log)).toEqual([3]);
    expect(intakeStatus(h.intake).gateways[0]?.logs[0]).toMatchObject({ trusted_by: 'record' });
    await h.restart(policyOf());
    await h.batch(log, log.batch(3, 6));
    expect(h.receipts(log).at(-1)).toBe(6);
    expect(h.disk.trust.get('gw-0001')).toHaveLength(1);
  });

  test('may be enrolled before its first batch', async () => {
    const h = await new Harness().open(policyOf());
    await enrol(h, service);
    await enrol(h, service);
    await h.batch(log, log.batch(0, 6));
    expect(h.receipts(log)).toEqual([6]);
    expect(h.disk.trust.get('gw-0001')).toHaveLength(1);
  });

  test.for([
    ['signed by a service that the policy does not name', stranger, policyOf()],
    ['of an operator domain for which the service has no word', service, policyOf('other.example')],
    ['under a policy that names no service', service, policyFor(newLog('policy'))],
  ] as const)('is not believed by a record %s', async ([, by, policy]) => {
    const h = await new Harness().open(policy);
    await enrol(h, by);
    await h.batch(log, log.batch(0, 6));
    await enrol(h, by);
    expect(h.receipts(log)).toEqual([]);
    expect(h.disk.trust.size).toBe(0);
  });

  test('is believed no more when the policy drops the service', async () => {
    const h = await new Harness().open(policyOf());
    await enrol(h, service);
    await h.batch(log, log.batch(0, 3));
    h.intake.setPolicy({ logs: new Map(), successors: [], services: [] });
    await h.settle();
    await h.batch(log, log.batch(3, 6));
    expect(h.receipts(log).at(-1)).toBe(3);
    expect(intakeStatus(h.intake).gateways[0]?.logs[0]).toMatchObject({ trusted_by: 'none' });
  });
});
