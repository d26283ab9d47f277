import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { SerialPort } from 'serialport';
import { afterEach, describe, expect, test } from 'vitest';
import { LINE_FAULTS } from '../../../simulators/faults/kinds.ts';
import { code128 } from '../../../simulators/scanners/codes.ts';
import { runSite } from '../../../simulators/site/play.ts';
import { type SiteSettings, type SiteSettingsInput, siteSchema } from '../../../simulators/site/settings.ts';
import { startSite } from '../../../simulators/site.ts';
import { hex } from '../../../src/base/bytes.ts';

const LIMIT = { timeout: 30_000, interval: 2 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const settings = (input: SiteSettingsInput): SiteSettings => siteSchema.parse(input);
const YARD: SiteSettingsInput = {
  name: 'yard',
  lines: [
    { name: 'bus', pty: {}, family: 'kerong_cu16', boards: [{ name: 'left', address: 0, item_sensors: true }] },
    { name: 'far', tcp: {}, family: 'xor_8a80', boards: [{ name: 'far', address: 1, channels: 24 }] },
    { name: 'desk', pty: { link: 'scanner' }, scanner: {} },
  ],
};

async function serial(path: string): Promise<{ write(bytes: Uint8Array): void; read(): string }> {
  const port = new SerialPort({ path, baudRate: 19_200, autoOpen: false, hupcl: false });
  await new Promise<void>((done, failed) => port.open((error) => (error ? failed(error) : done())));
  cleanups.push(() => (port.isOpen ? new Promise((done) => port.close(done)) : undefined));
  let read = Buffer.alloc(0);
  port.on('data', (chunk: Buffer) => {
    read = Buffer.concat([read, chunk]);
  });
  return { write: (bytes) => void port.write(bytes), read: () => hex(read) };
}

describe('a simulated site', () => {
  test('answers on its lines for the state that hands gave it', async () => {
    const site = await startSite({ site: settings(YARD) });
    cleanups.push(() => site.close());
    expect(site.links.map(({ line, kind }) => `${line} ${kind}`)).toEqual(['bus pty', 'far tcp', 'desk pty']);
    site.open('left.1');
    site.put('left.1');
    const bus = await serial(site.address('bus'));
    bus.write(Uint8Array.of(0x02, 0x00, 0x30, 0x03, 0x35));
    await expect.poll(() => bus.read(), LIMIT).toBe('020035feff01000338');
    expect(site.requests('bus')).toBe(1);

    const [host = '', port = ''] = site.address('far').split(':');
    const socket = connect({ host, port: Number(port) });
    cleanups.push(() => socket.destroy());
    let far = '';
    socket.on('data', (chunk) => {
      far += hex(chunk);
    });
    socket.write(Uint8Array.of(0x80, 0x01, 0x00, 0x33, 0xb2));
    await expect.poll(() => far, LIMIT).toBe('8001ffffff334d');

    const desk = await serial(site.address('desk'));
    site.scan('desk', code128('ABC123'));
    await expect.poll(() => desk.read(), LIMIT).toBe(hex(Buffer.from(']C0ABC123\r\n')));
    expect(() => site.scan('bus')).toThrow(/no scanner/);
    expect(() => site.address('nowhere')).toThrow(/no line/);
  });

  test('lets every fault of the plan happen on a real line, and counts it', async () => {
    const rates = Object.fromEntries(LINE_FAULTS.map((fault) => [fault, fault === 'unplug' ? 0 : 0.25]));
    const site = await startSite({
      site: settings({
        seed: 3,
        lines: [
          {
            name: 'bus',
            family: 'kerong_cu16',
            boards: [
              { name: 'a', address: 0, item_sensors: true, turnaround_ms: 0 },
              { name: 'b', address: 0, turnaround_ms: 0 },
            ],
            faults: { rates, late_ms: 30 },
          },
          { name: 'desk', scanner: {}, faults: { rates, exactly: [{ emission: 30, fault: 'unplug' }], unplug_ms: 1 } },
        ],
      }),
    });
    cleanups.push(() => site.close());
    site.pretendItem('a.1', true);
    site.pretendItem('a.2', true);
    const bus = await serial(site.address('bus'));
    for (let i = 1; i <= 60; i += 1) {
      bus.write(Uint8Array.of(0x02, 0x00, 0x30, 0x03, 0x35));
      site.scan('desk', code128('ABC123'));
      await expect.poll(() => site.requests('bus'), LIMIT).toBe(i);
    }
    await expect.poll(() => site.report().lines[0]?.emissions, LIMIT).toBe(60);
    for (const fault of LINE_FAULTS) expect(site.faults(fault), fault).toBeGreaterThan(0);
    expect(site.faults('unplug', 'bus')).toBe(0);
    expect(site.faults('same_address', 'bus')).toBe(60);
    await expect.poll(() => site.report().lines[1]?.plugged, LIMIT).toBe(true);
    expect(Object.keys(site.report().lines[1]?.faults ?? {})).toContain('glued_scans');
  });

  test('is played from its file and from typed lines, says where it is, and cleans up', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'latchkey-play-'));
    cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
    const out: string[] = [];
    const err: string[] = [];
    const typed = new PassThrough();
    const stop = new AbortController();
    const played = runSite(
      settings({
        ...YARD,
        links_dir: dir,
        stories: [{ name: 'visit', steps: ['open left.1', 'put left.1', 'shut left.1', 'wait 1', 'scan desk sscc 7'] }],
      }),
      { out: (line) => out.push(line), err: (line) => err.push(line), input: typed, json: false },
      stop.signal,
    );
    await expect.poll(() => err, LIMIT).toContain('story visit is told');
    expect(out[0]).toBe(`bus: pty ${join(dir, 'bus')}`);
    expect(existsSync(join(dir, 'scanner'))).toBe(true);
    typed.write('open left.2\nput left.2\nbreak left.3\ntake left.1\nstatus\n');
    await expect.poll(() => out.join('\n'), LIMIT).toContain('open doors: left.2');
    await expect.poll(() => err.join('\n'), LIMIT).toContain('open it first');
    expect(err.join('\n')).toContain('expected open|shut');
    // Items in the first two compartments: the byte that ends frames stands inside of the reply, which is no fault.
    const bus = await serial(join(dir, 'bus'));
    bus.write(Uint8Array.of(0x02, 0x00, 0x30, 0x03, 0x35));
    await expect.poll(() => bus.read(), LIMIT).toBe('020035fdff03000339');
    typed.write('status\n');
    await expect.poll(() => out.join('\n'), LIMIT).toContain('bus: 1 requests, 1 sent; no faults');
    stop.abort();
    await played;
    expect(existsSync(join(dir, 'scanner'))).toBe(false);
  });

  test('leaves no helper process behind when its own process is killed', async () => {
    const module = pathToFileURL(join(import.meta.dirname, '../../../dist/simulators/line/pty.js')).href;
    const code = `const pty = await (await import('${module}')).openPty(); console.log(pty.path); setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanups.push(() => child.kill('SIGKILL'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const slave = line.toString().trim();
    const port = new SerialPort({ path: slave, baudRate: 9_600, autoOpen: false, hupcl: false });
    await new Promise<void>((done, failed) => port.open((error) => (error ? failed(error) : done())));
    const hungUp = new Promise((done) => port.on('close', done));
    port.on('data', () => undefined);
    child.kill('SIGKILL');
    await hungUp;
  });
});
