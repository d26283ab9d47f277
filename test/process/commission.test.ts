/**
 * `latchkey commission` as a technician meets it: a daemon, its boards on their lines, the command at the control socket,
 * and hands that move the doors when it says so.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Child } from '../../simulators/demo/child-process.ts';
import { siteSchema } from '../../simulators/site/settings.ts';
import { type Site, startSite } from '../../simulators/site.ts';
import { runLatchkey, startLatchkey } from '../support/child.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const BOARDS = [
  { name: 'xor', driver: 'xor_8a80', address: 1, channels: 12, shutReads: 1 },
  { name: 'wkly', driver: 'wkly', address: 0, channels: 12, shutReads: 0 },
] as const;
/** How the doors are wired, which the settings say otherwise of the last two. */
const WIRED = { X1: ['xor', 1], X2: ['xor', 2], W1: ['wkly', 1], W2: ['wkly', 3], W3: ['wkly', 2] } as const;
const SAID: readonly (readonly [string, string, number])[] = [
  ['X1', 'xor', 1],
  ['X2', 'xor', 2],
  ['W1', 'wkly', 1],
  ['W2', 'wkly', 2],
  ['W3', 'wkly', 3],
];

const dir = makeTempDir('commission');
const config = dir.file('gateway.yaml');
let site: Site;
let daemon: Child;

beforeAll(async () => {
  site = await startSite({
    site: siteSchema.parse({
      name: 'commission',
      lines: BOARDS.map(({ name, driver, address, channels, shutReads }) => {
        return { name, tcp: {}, family: driver, boards: [{ name, address, channels, shut_reads: shutReads }] };
      }),
      compartments: Object.entries(WIRED).map(([name, [board, channel]]) => ({ name, board, channel })),
    }),
  });
  writeFileSync(config, stringify(settings()));
  daemon = startLatchkey(['run', '--config', config]);
  await daemon.line('the gateway runs');
});
afterAll(async () => {
  await daemon.stop();
  await site.close();
  dir.remove();
});

function settings(): object {
  return {
    gateway: { id: 'gw-commission', operator_domain: 'lockers.example', data_dir: dir.file('data') },
    keys: 'software',
    mqtt: { url: 'mqtt://127.0.0.1:1' },
    references: { kind: 'clear' },
    ports: BOARDS.map(({ name, driver, address, channels }) => {
      const [host, port] = site.address(name).split(':');
      return {
        name,
        link: { kind: 'tcp', host, port: Number(port) },
        poll: { cycle_ms: 100, reply_timeout_ms: 1_500 },
        devices: [{ driver, name, address, channels }],
      };
    }),
    custody: { compartments: SAID.map(([name, device, channel]) => ({ name, device, channel })) },
    journal: { reserve_mib: 1, free_min_mib: 0 },
    stop_wait_s: 0,
  };
}

/** Starts the command and moves each door as it asks; the door of that name unless another is given. */
async function walk(
  names: readonly string[],
  moved: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly said: readonly string[]; readonly shown: readonly string[] }> {
  const child = startLatchkey(['commission', '--config', config, '--yes', ...names]);
  for (const name of names) {
    const door = moved[name] ?? name;
    await child.line(`${name}: now open this door, and no other`);
    site.open(door);
    await child.line(`${name}: now shut it`);
    site.shut(door);
  }
  const { code } = await child.exit();
  return { code, said: child.lines('err'), shown: child.lines('out') };
}

interface Entry {
  readonly type: string;
  readonly compartment?: string;
  readonly device?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

async function commissioned(): Promise<readonly Entry[]> {
  const { out } = await runLatchkey(['tail', '--config', config, '--lines', '1000', '--json']);
  const entries = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);
  return entries.filter(({ type }) => type === 'device.commissioned');
}

test('a technician commissions doors of two families, and the lines that are printed are what the settings lack', async () => {
  const { code, said, shown } = await walk(['X1', 'W1']);
  expect(code, said.join('\n')).toBe(0);
  expect(said.at(-1)).toBe('2 of 2 commissioned');
  expect(parse(shown.join('\n'))).toEqual({
    custody: {
      compartments: [
        { name: 'X1', device: 'xor', channel: 1, polarity: 'closed_is_1' },
        { name: 'W1', device: 'wkly', channel: 1, polarity: 'closed_is_0' },
      ],
    },
  });
  expect(await commissioned()).toMatchObject([
    { compartment: 'X1', device: 'xor', data: { channel: 1, polarity: 'closed_is_1', reads: [1, 0, 1] } },
    { compartment: 'W1', device: 'wkly', data: { channel: 1, polarity: 'closed_is_0', reads: [0, 1, 0] } },
  ]);
});

test('swapped wires are named with the compartment that has them, and are not commissioned', async () => {
  const { code, said, shown } = await walk(['W2']);
  expect(code).toBe(2);
  const verdict = said.find((line) => line.startsWith('W2: another channel moved'));
  expect(verdict).toContain('expected wkly channel 2, found wkly channel 3, which the settings call W3');
  expect(parse(shown.join('\n'))).toMatchObject({ custody: { compartments: [{ name: 'W2', channel: 3 }] } });
  expect((await commissioned()).filter(({ compartment }) => compartment === 'W2')).toEqual([]);
});

test('a door that nobody moves is told as one without feedback, and the walk ends by itself', async () => {
  const { code, err } = await runLatchkey(['commission', '--config', config, '--yes', '--wait', '2', 'X2']);
  expect(code).toBe(2);
  expect(err).toContain('X2: nothing moved: the door was not opened, or no feedback is wired');
  expect(err).toContain('0 of 1 commissioned');
});

test('what is commissioned is left out of the next walk, and a name that is not there is wrong usage', async () => {
  const unknown = await runLatchkey(['commission', '--config', config, '--yes', 'Z9']);
  expect(unknown).toMatchObject({ code: 64 });
  expect(unknown.err).toContain('no compartment is named "Z9"');
  // Nobody moves the three that are left; those that are commissioned are not asked for.
  const { code, err } = await runLatchkey(['commission', '--config', config, '--yes', '--wait', '2']);
  expect(code).toBe(2);
  expect(err).toContain('0 of 3 commissioned');
  expect(err).not.toMatch(/^(?:X1|W1):/m);
});
