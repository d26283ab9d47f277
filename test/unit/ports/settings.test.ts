import { expect, test } from 'vitest';
import { z } from 'zod';
import { portShape } from '../../../src/edge/ports/settings.ts';

const schema = z.strictObject(portShape);

test('the shortest entries of each kind are whole', () => {
  expect(schema.parse({ name: 'bank', link: { kind: 'serial', path: '/dev/serial/by-id/usb-1' } }).link).toEqual({
    kind: 'serial',
    path: '/dev/serial/by-id/usb-1',
    data_bits: 8,
    parity: 'none',
    stop_bits: 1,
    backoff_max_ms: 2_000,
  });
  expect(schema.parse({ name: 'dock', link: { kind: 'tcp', host: '10.0.0.5', port: 4001 } }).link).toMatchObject({
    connect_timeout_ms: 5_000,
    keepalive_ms: 10_000,
    backoff_max_ms: 15_000,
  });
});

test('every wrong member is named at its path', () => {
  const parsed = schema.safeParse({ name: 'a b', link: { kind: 'serial', path: 'ttyS0', baud: 1, parity: 'mark' } });
  expect(parsed.error?.issues.map((issue) => issue.path.join('.')).sort()).toEqual([
    'link.baud',
    'link.parity',
    'link.path',
    'name',
  ]);
  expect(schema.safeParse({ name: 'a', link: { kind: 'usb' } }).success).toBe(false);
});
