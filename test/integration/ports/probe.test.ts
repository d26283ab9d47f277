import { afterEach, beforeEach, expect, test } from 'vitest';
import { siteSchema } from '../../../simulators/site/settings.ts';
import { type Site, startSite } from '../../../simulators/site.ts';
import { explain } from '../../../src/base/errors.ts';
import { parseCommandArgs } from '../../../src/cli/command.ts';
import { probeCommand } from '../../../src/cli/commands/probe.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { serialOpener } from '../../../src/edge/ports/serial-opener.ts';
import { linkSchema } from '../../../src/edge/ports/settings.ts';

const SETTINGS = new URL('../../../config/gateway.yaml', import.meta.url).pathname;
/** Of a family with few addresses: each question waits for its answer. */
const BOARDS = [0, 3].map((address) => ({ name: `b${address}`, address, channels: 16 }));

let site: Site;
beforeEach(async () => {
  const lines = [
    { name: 'serial', pty: {}, family: 'winnsen', boards: BOARDS },
    {
      name: 'server',
      tcp: {},
      family: 'winnsen',
      boards: BOARDS.map((each) => ({ ...each, name: `tcp-${each.name}` })),
    },
  ];
  site = await startSite({ site: siteSchema.parse({ name: 'probed', lines }) });
});
afterEach(() => site.close());

async function run(...words: readonly string[]) {
  const spec = COMMANDS.find(({ name }) => name === 'probe');
  if (spec === undefined) throw new Error('no command is named probe');
  const out: string[] = [];
  const err: string[] = [];
  const io = {
    out: (line: string) => void out.push(line),
    err: (line: string) => void err.push(line),
    write: () => Promise.resolve(),
    signal: new AbortController().signal,
  };
  const code = await probeCommand(parseCommandArgs(spec, [...words, '--family', 'winnsen', '--config', SETTINGS]), io);
  return { code, out, err };
}

test('boards on a pseudo-terminal and behind a serial server are found, and no door opens', async () => {
  const { code, out, err } = await run(site.address('serial'), '--json');
  expect(JSON.parse(out[0] ?? '')).toMatchObject({
    found: BOARDS.map(({ address }) => ({ kind: 'board', family: 'winnsen', address, baud: 9_600 })),
    cut: false,
  });
  expect(code).toBe(0);
  expect(err.join('\n')).toMatch(/asking for winnsen at 9600 baud/);
  const remote = await run(`tcp://${site.address('server')}`);
  expect(remote.out).toEqual(BOARDS.map(({ address }) => `board: winnsen, address ${address}`));
  expect(remote.err.join('\n')).toMatch(/nobody else asks/);
  expect(site.requests('serial')).toBeGreaterThanOrEqual(4);
  expect(site.cells().filter(({ door }) => door === 'open')).toEqual([]);
});

test('a port that somebody holds is left alone, and the remedy is said', async () => {
  const path = site.address('serial');
  const settings = linkSchema.parse({ kind: 'serial', path });
  if (settings.kind !== 'serial') throw new Error('expected a serial link');
  const events = { bytes: () => undefined, lost: () => undefined };
  const held = await serialOpener(settings, 9_600).open(events, new AbortController().signal);
  try {
    await expect(run(path)).rejects.toMatchObject({ code: 'PORT_BUSY', message: expect.stringMatching(/stop it/) });
  } finally {
    await held.close();
  }
  expect(site.requests('serial')).toBe(0);
});

test('what is no port is wrong usage, and one that is not there is said to be away', async () => {
  await expect(run('ttyUSB0')).rejects.toMatchObject({ code: 'USAGE' });
  // A timer takes no more than 2^32 ms, and a search of no time finds nothing.
  for (const limit of ['0', '5000000', '999999999999']) {
    await expect(run('/dev/serial/by-id/nobody', '--limit', limit)).rejects.toMatchObject({ code: 'USAGE' });
  }
  const away = await run('/dev/serial/by-id/nobody').then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(away).toMatchObject({ code: 'PORT_UNAVAILABLE' });
  // Probing asks once: only a gateway that runs tries again.
  expect(explain(away)).toMatch(/Check the cable or the address.*a running gateway tries its ports again/);
});
