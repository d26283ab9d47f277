import { describe, expect, test } from 'vitest';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import { parseOrigin } from '../../../src/evidence/log/origin.ts';
import { parseSettings } from '../../../src/platform/settings.ts';

const BASE = {
  gateway: { id: 'gw-1', operator_domain: 'lockers.example', data_dir: '/var/lib/latchkey' },
  keys: 'software',
  mqtt: { url: 'mqtts://broker.example' },
  references: { kind: 'clear' },
  ports: [
    {
      name: 'bank',
      link: { kind: 'serial', path: '/dev/ttyS1' },
      devices: [{ name: 'board-1', driver: 'xor_8a80', address: 1, channels: 24 }],
    },
    {
      name: 'bank',
      link: { kind: 'serial', path: '/dev/ttyS2' },
      devices: [{ name: 'board-1', driver: 'xor_8a80', address: 1, channels: 24 }],
    },
  ],
  custody: {
    compartments: [
      { name: 'A1', device: 'board-1', channel: 200, polarity: 'closed_is_1' },
      { name: 'A2', device: 'nobody', channel: 1, polarity: 'closed_is_1' },
    ],
  },
};
const NAMES = [
  'ports[1].name',
  'ports[1].devices[0].name',
  'custody.compartments[0].channel',
  'custody.compartments[1].device',
];

function problems(settings: unknown): readonly string[] {
  const parsed = parseSettings(JSON.stringify(settings), gatewaySettingsSchema);
  return parsed.ok ? [] : parsed.problems.map((problem) => problem.path);
}

describe('names in gateway.yaml', () => {
  test('are told where they are doubled or lead nowhere', () => {
    expect(problems(BASE)).toEqual(NAMES);
  });

  test('are told too when other parts are wrong in themselves', () => {
    const found = problems({ ...BASE, keys: 'tpm', mqtt: {}, colour: 'red' });
    expect(found).toEqual(expect.arrayContaining([...NAMES, 'keys', 'mqtt.url', 'colour']));
    const parsed = parseSettings(JSON.stringify({ ...BASE, keys: 'tpm' }), gatewaySettingsSchema);
    const keys = parsed.ok ? undefined : parsed.problems.find(({ path }) => path === 'keys');
    expect(keys?.expected).toBe('"software" or {tpm: {device: ...}}');
  });

  test.for([
    { ports: 7 },
    { ports: [7, { devices: [7, { name: 7 }] }] },
    { custody: 7 },
    { custody: { compartments: [7, { device: 7 }, {}] } },
    7,
    [],
  ])('whatever stands in their place, problems are told and nothing is thrown: %j', (part) => {
    expect(problems(typeof part === 'object' && !Array.isArray(part) ? { ...BASE, ...part } : part)).not.toEqual([]);
  });

  test('a board that is wrong in itself is no excuse for a compartment of another', () => {
    const [bank, other] = BASE.ports;
    const broken = { ...other, name: 'other', devices: [{ name: 'board-2', driver: 'nothing', channels: 'many' }] };
    const compartments = [...BASE.custody.compartments, { name: 'A3', device: 'board-2', channel: 9 }];
    const found = problems({ ...BASE, ports: [bank, broken], custody: { compartments } });
    expect(found).toContain('custody.compartments[1].device');
    expect(found.filter((path) => path.startsWith('custody.compartments[2]'))).toEqual([]);
  });
});

describe('what names logs and topics', () => {
  const one = (gateway: object, more: object = {}) => {
    const sound = { ...BASE, ports: [], custody: {} };
    return problems({ ...sound, ...more, gateway: { ...BASE.gateway, ...gateway } });
  };

  test('a domain that no origin can begin with is refused before a key is made', () => {
    for (const domain of ['-bad.example', 'bad-.example', 'bad.-example', 'bad..example', 'a.b-']) {
      expect(parseOrigin(`${domain}/gw-1/1-00000000`).ok).toBe(false);
      expect(one({ operator_domain: domain })).toEqual(['gateway.operator_domain']);
    }
    for (const domain of ['lockers.example', 'a-b.c', '1.2.3']) {
      expect(parseOrigin(`${domain}/gw-1/1-00000000`).ok).toBe(true);
      expect(one({ operator_domain: domain })).toEqual([]);
    }
  });

  test('the prefix is what the format allows, as at the consumer', () => {
    expect(one({}, { prefix: 'acme/Site.7/latchkey' })).toEqual([]);
    for (const prefix of ['', 'a/+/b', '#', 'a//b', '$share']) expect(one({}, { prefix })).toEqual(['prefix']);
  });
});

test('a seal whose label would be taken for a credential is a problem of the whole settings', () => {
  const sealed = (prefix: string): readonly string[] =>
    problems({
      ...BASE,
      ports: BASE.ports.slice(0, 1),
      access: { devices: [{ name: 'pad' }], scanned: [{ prefix: 'LK:' }] },
      custody: { compartments: [{ name: 'A1', device: 'board-1', channel: 1 }], seals: { prefixes: [prefix] } },
    });
  expect(sealed('LK:S')).toContain('custody.seals.prefixes[0]');
  expect(sealed('SEAL-')).not.toContain('custody.seals.prefixes[0]');
});
