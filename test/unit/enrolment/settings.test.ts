/** What settings of the service, and of a gateway about it, are refused before anything runs. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { enrolmentServiceSchema } from '../../../src/edge/gateway/enrolment-settings.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { enrolmentSettingsSchema } from '../../../src/risk/enrolment/settings.ts';
import { TestEnroller } from '../../support/test-enrolments.ts';
import { TestLog } from '../../support/test-log.ts';

const example = parse(readFileSync('config/enrolments.yaml', 'utf8')) as object;

test('operator domains are those that a log’s name can begin with', () => {
  const taken = (domain: string): boolean =>
    enrolmentSettingsSchema.safeParse({ ...example, operator_domains: [domain] }).success;
  for (const domain of ['lockers.example', 'a', 'a-b.c', 'x'.repeat(107)])
    expect({ domain, ok: taken(domain) }).toEqual({ domain, ok: true });
  const impossible = [
    '',
    'Lockers.example',
    'a..b',
    '.a',
    'a.',
    '-a.example',
    'a-.example',
    'a/b',
    'a b',
    'x'.repeat(108),
  ];
  for (const domain of impossible) expect({ domain, ok: taken(domain) }).toEqual({ domain, ok: false });
});

test('revocation lists say what becomes of a certificate without one', () => {
  const taken = (crls: object): boolean => enrolmentSettingsSchema.safeParse({ ...example, crls }).success;
  expect(taken({ dir: '/crls', check: 'require' })).toBe(true);
  expect(taken({ dir: '/crls', check: 'if_present' })).toBe(true);
  expect(taken({ dir: '/crls' })).toBe(false);
  expect(taken({ dir: 'crls', check: 'require' })).toBe(false);
});

test('a gateway tells a service over TLS, or on its own machine, whose key is no log’s', () => {
  const taken = (service: object): boolean => enrolmentServiceSchema.safeParse(service).success;
  const url = 'https://enrolment.lockers.example:8443';
  const service_key = formatVkey(new TestEnroller().vkey);
  expect(taken({ url })).toBe(true);
  expect(taken({ url, service_key, ca_file: '/etc/ca.pem', retry: { first_ms: 10, max_ms: 20 } })).toBe(true);
  expect(taken({ url: 'http://127.0.0.1:8443' })).toBe(true);
  expect(taken({ url: 'http://enrolment.lockers.example' })).toBe(false);
  expect(taken({ url: 'https://user:word@enrolment.lockers.example' })).toBe(false);
  for (const wrong of ['x', formatVkey(new TestLog('log').vkey)])
    expect(taken({ url, service_key: wrong })).toBe(false);
  expect(taken({ url, ca_file: 'ca.pem' })).toBe(false);
});
