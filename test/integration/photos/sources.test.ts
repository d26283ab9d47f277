/** Photo sources over real files and loopback HTTP, and what leaves the box over TLS. */
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { base64url, hex } from '../../../src/base/bytes.ts';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { Photo } from '../../../src/edge/contracts/photos.ts';
import type { Reading } from '../../../src/edge/contracts/reading.ts';
import { FileDrop } from '../../../src/edge/drivers/photo/file-drop.ts';
import { HttpCamera } from '../../../src/edge/drivers/photo/http-camera.ts';
import { wholeImage } from '../../../src/edge/drivers/photo/image.ts';
import { fileDropSchema, httpCameraSchema } from '../../../src/edge/drivers/photo/settings.ts';
import { fetchVerb } from '../../../src/edge/photos/fetch-verb.ts';
import { isAllowedUpload } from '../../../src/edge/photos/upload.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

/** One pixel each, as other programs wrote them: public test images of the formats. */
const JPEG = Buffer.from(
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=',
  'base64',
);
const WHOLE_JPEG = Buffer.concat([JPEG, Buffer.from([0xff, 0xd9])]);
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const WEBP = Buffer.from('UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA', 'base64');

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function temp(): TempDir {
  const dir = makeTempDir('photo-source');
  undo.push(() => dir.remove());
  return dir;
}

function bench(keeps = true) {
  const readings: Reading[] = [];
  const kept: Photo[] = [];
  const parts = {
    keeper: {
      keep: async (photo: Photo) => {
        kept.push(photo);
        return keeps;
      },
    },
    sink: (reading: Reading) => void readings.push(reading),
    durable: async () => undefined,
    observer: { observe: () => ({ wallMs: 0, upMs: 1, clock: { src: 'none' as const } }) },
    scheduler: systemScheduler(),
    logger: silentLogger,
    metrics: new MemoryMetrics(),
  };
  const photos = () => readings.filter((reading) => reading.kind === 'photo');
  const states = () =>
    readings.flatMap((reading) => (reading.kind === 'device' ? [`${reading.state} ${reading.reason}`] : []));
  return { parts, kept, photos, states };
}

async function serve(answer: (response: ServerResponse, url: string) => void): Promise<string> {
  const server: Server = createServer((request, response) => answer(response, request.url ?? ''));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/snapshot.jpg`;
}

describe('images', () => {
  test('are told by their content, and only when they are whole', () => {
    expect(wholeImage(WHOLE_JPEG)).toBe('image/jpeg');
    expect(wholeImage(PNG)).toBe('image/png');
    expect(wholeImage(WEBP)).toBe('image/webp');
    for (const image of [JPEG, PNG, WEBP]) {
      for (let size = 0; size < image.length; size += 1) expect(wholeImage(image.subarray(0, size))).toBeUndefined();
    }
    for (const text of ['', '<html></html>', 'GIF89a', '%PDF-1.7'])
      expect(wholeImage(Buffer.from(text))).toBeUndefined();
  });
});

describe('a directory that a camera writes into', () => {
  test('an image that was renamed into place is kept, reported, and removed', async () => {
    const dir = temp();
    const { parts, kept, photos, states } = bench();
    const drop = new FileDrop(fileDropSchema.parse({ kind: 'file_drop', name: 'eye', directory: dir.path }), parts);
    writeFileSync(dir.file('a.jpg.part'), WHOLE_JPEG);
    await drop.look();
    await drop.look();
    expect(kept).toEqual([]);
    renameSync(dir.file('a.jpg.part'), dir.file('a.jpg'));
    await drop.look();
    await drop.look();
    expect(photos()).toMatchObject([{ device: 'eye', cause: 'file_drop', mediaType: 'image/jpeg', kept: true }]);
    expect(photos()[0]?.sha256).toEqual(new Uint8Array(createHash('sha256').update(WHOLE_JPEG).digest()));
    expect(existsSync(dir.file('a.jpg'))).toBe(false);
    expect(states()).toEqual(['found answered']);
  });

  test('one is not removed before its event is durable, and is reported again by the next start when that failed', async () => {
    const dir = temp();
    const { parts, photos } = bench();
    const settings = fileDropSchema.parse({ kind: 'file_drop', name: 'eye', directory: dir.path });
    writeFileSync(dir.file('a.jpg'), WHOLE_JPEG);
    const there: boolean[] = [];
    const failing = new FileDrop(settings, {
      ...parts,
      durable: async () => {
        there.push(existsSync(dir.file('a.jpg')));
        throw new LatchkeyError('JOURNAL_IO', 'the disk is away');
      },
    });
    for (let i = 0; i < 4; i += 1) await failing.look();
    expect([photos().length, there, existsSync(dir.file('a.jpg'))]).toEqual([1, [true], true]);
    const next = new FileDrop(settings, parts);
    for (let i = 0; i < 2; i += 1) await next.look();
    expect([photos().length, existsSync(dir.file('a.jpg'))]).toEqual([2, false]);
    expect(photos()[1]).toEqual(photos()[0]);
  });

  test('one that is still being written is waited for', async () => {
    const dir = temp();
    const { parts, photos } = bench();
    const drop = new FileDrop(fileDropSchema.parse({ kind: 'file_drop', name: 'eye', directory: dir.path }), parts);
    for (const size of [20, 40, 60]) {
      writeFileSync(dir.file('b.jpg'), WHOLE_JPEG.subarray(0, size));
      await drop.look();
    }
    await drop.look();
    expect(photos()).toEqual([]);
    writeFileSync(dir.file('b.jpg'), WHOLE_JPEG);
    await drop.look();
    await drop.look();
    expect(photos()).toHaveLength(1);
  });

  test('what is no image or too large is left where it is and said once; so is what could not be kept', async () => {
    const dir = temp();
    const { parts, photos, kept } = bench(false);
    const settings = fileDropSchema.parse({ kind: 'file_drop', name: 'eye', directory: dir.path, size_max_kib: 16 });
    const drop = new FileDrop(settings, parts);
    writeFileSync(dir.file('c.jpg'), 'no image');
    writeFileSync(dir.file('d.jpg'), Buffer.concat([WHOLE_JPEG, Buffer.alloc(20_000), Buffer.from([0xff, 0xd9])]));
    writeFileSync(dir.file('e.jpg'), WHOLE_JPEG);
    for (let i = 0; i < 5; i += 1) await drop.look();
    expect(kept).toHaveLength(1);
    expect(photos()).toMatchObject([{ kept: false }]);
    expect(parts.metrics.value('photos_refused', { device: 'eye' })).toBe(2);
    for (const name of ['c.jpg', 'd.jpg', 'e.jpg']) expect(existsSync(dir.file(name))).toBe(true);
  });

  test('a directory that is gone is a loss, and found again when it is back', async () => {
    const dir = temp();
    const { parts, states } = bench();
    const settings = fileDropSchema.parse({ kind: 'file_drop', name: 'eye', directory: dir.file('later') });
    const drop = new FileDrop(settings, parts);
    await drop.look();
    execFileSync('mkdir', [dir.file('later')]);
    await drop.look();
    expect(states()).toEqual(['lost unreadable', 'found answered']);
  });
});

async function ask(url: string, more: Record<string, unknown> = {}) {
  const table = bench();
  const camera = new HttpCamera(httpCameraSchema.parse({ kind: 'http', name: 'eye', url, ...more }), table.parts);
  camera.doorChanged({ compartment: 'e1', open: true });
  await until('an answer', () => table.states().length > 0 || table.photos().length > 0);
  await camera.stop();
  return table;
}

describe('a camera that is asked over HTTP', () => {
  test('gives an image of the door that changed', async () => {
    const url = await serve((response) => response.end(WHOLE_JPEG));
    const { photos } = await ask(url);
    expect(photos()).toMatchObject([{ compartment: 'e1', cause: 'door_opened', sizeBytes: WHOLE_JPEG.length }]);
  });

  test('is asked at the changes that its settings name', async () => {
    let asked = 0;
    const url = await serve((response) => {
      asked += 1;
      response.end(WHOLE_JPEG);
    });
    const { parts, photos } = bench();
    const camera = new HttpCamera(
      httpCameraSchema.parse({ kind: 'http', name: 'eye', url, on: ['door_closed'] }),
      parts,
    );
    camera.doorChanged({ compartment: 'e1', open: true });
    camera.doorChanged({ compartment: 'e1', open: false });
    await until('a photo', () => photos().length === 1);
    expect(asked).toBe(1);
    await camera.stop();
  });

  test.each<[string, (response: ServerResponse) => void, string]>([
    ['another status', (response) => response.writeHead(503).end(WHOLE_JPEG), 'lost status'],
    ['a redirect', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), 'lost status'],
    [
      'another protocol',
      (response) => response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end(),
      'lost unreachable',
    ],
    ['no image', (response) => response.end('<html></html>'), 'faulted damaged'],
    ['half an image', (response) => response.end(JPEG), 'faulted damaged'],
    [
      'less than it announced',
      (response) => {
        response.writeHead(200, { 'content-length': WHOLE_JPEG.length + 10 });
        response.write(WHOLE_JPEG);
        setTimeout(() => response.destroy(), 20);
      },
      'lost unreachable',
    ],
    ['more than it may', (response) => response.end(Buffer.alloc(100_000)), 'lost too_long'],
    ['nothing', () => undefined, 'lost no_reply'],
  ])('%s is no photo', async (_, answer, state) => {
    const url = await serve(answer);
    const { photos, states } = await ask(url, {
      timeout_ms: state === 'lost no_reply' ? 300 : 30_000,
      size_max_kib: 16,
    });
    expect(photos()).toEqual([]);
    expect(states()).toEqual([state]);
  });

  test('its address must be of this machine or a local network, unless the settings say otherwise', () => {
    const at = (url: string, more = {}) =>
      httpCameraSchema.safeParse({ kind: 'http', name: 'e', url, ...more }).success;
    for (const url of ['http://127.0.0.1/a', 'http://192.168.1.9/a', 'http://[fd00::1]/a', 'http://camera.local/a']) {
      expect(at(url), url).toBe(true);
    }
    for (const url of ['http://8.8.8.8/a', 'http://[2001:db8::1]/a', 'ftp://10.0.0.1/a', 'http://u:p@10.0.0.1/a']) {
      expect(at(url), url).toBe(false);
    }
    expect(at('http://8.8.8.8/a', { beyond_lan: true })).toBe(true);
  });
});

describe('the command fetch', () => {
  const BASE = 'https://evidence.example/in/';

  test('sends only below what the operator allowed, to the letter', () => {
    const allowed = [BASE];
    expect(isAllowedUpload(`${BASE}case-17.jpg?sig=abc`, allowed)).toBe(true);
    for (const target of [
      BASE,
      'https://evidence.example/other/x',
      'http://evidence.example/in/x',
      'https://evidence.example.evil.example/in/x',
      'https://evidence.example@evil.example/in/x',
      `${BASE}../other/x`,
      `${BASE}x#y`,
      'https://EVIDENCE.example/in/x',
      'nonsense',
    ]) {
      expect(isAllowedUpload(target, allowed), target).toBe(false);
    }
  });

  test('puts the image over TLS that is checked, and says what came of it', async () => {
    const dir = temp();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(dir.file('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-new',
        '-key',
        dir.file('key.pem'),
        '-out',
        dir.file('cert.pem'),
        '-days',
        '30',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
      ],
      { stdio: 'ignore' },
    );
    const cert = readFileSync(dir.file('cert.pem'), 'utf8');
    const got: { readonly type: string | undefined; readonly body: Buffer }[] = [];
    const server = createTlsServer({ key: readFileSync(dir.file('key.pem')), cert }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        got.push({ type: request.headers['content-type'], body: Buffer.concat(chunks) });
        if (request.url === '/in/other') response.writeHead(101, { connection: 'upgrade', upgrade: 'x' });
        else if (request.url === '/in/moved') response.writeHead(301, { location: '/in/x' });
        else if (request.url !== '/in/x') response.writeHead(403);
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    undo.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const base = `https://127.0.0.1:${(server.address() as AddressInfo).port}/in/`;
    const sha256 = new Uint8Array(createHash('sha256').update(WHOLE_JPEG).digest());
    const photo: Photo = { sha256, mediaType: 'image/jpeg', bytes: new Uint8Array(WHOLE_JPEG) };
    const store = {
      read: async (asked: Uint8Array) =>
        hex(asked) === hex(sha256)
          ? ({ ok: true, value: photo } as const)
          : ({ ok: false, reason: 'absent', detail: '' } as const),
    };
    const run = (to: string, which: Uint8Array, ca: string | undefined) => {
      const verb = fetchVerb({ store, allowed: [base], nowMs: () => 0, ...(ca !== undefined && { ca }) });
      const args = { sha256: base64url(which), to };
      expect(verb.check(args).ok).toBe(true);
      const call = { id: new Uint8Array(16), args, actor: { kind: 'service', ref: 's' } as const, untilUpMs: 0 };
      return verb.run(call, new AbortController().signal);
    };
    expect(await run(`${base}x`, sha256, cert)).toMatchObject({ outcome: 'executed', result: 'sent' });
    expect(got).toEqual([{ type: 'image/jpeg', body: WHOLE_JPEG }]);
    expect(await run(`${base}moved`, sha256, cert)).toMatchObject({ outcome: 'refused', data: { status: 301 } });
    expect(await run(`${base}y`, sha256, cert)).toMatchObject({ outcome: 'refused', result: 'upload_refused' });
    expect(await run('https://127.0.0.1:1/in/x', sha256, cert)).toMatchObject({ result: 'not_allowed' });
    expect(await run(`${base}x`, new Uint8Array(32), cert)).toMatchObject({ result: 'photo_absent' });
    await expect(run(`${base}x`, sha256, undefined)).rejects.toMatchObject({ code: 'SERVICE_UNREACHABLE' });
    await expect(run(`${base}other`, sha256, cert)).rejects.toMatchObject({ code: 'SERVICE_UNREACHABLE' });
    expect(got).toHaveLength(4);
  });

  test('takes a hash and an address and nothing else', () => {
    const verb = fetchVerb({ store: { read: () => Promise.reject(new Error()) }, allowed: [], nowMs: () => 0 });
    const sha256 = base64url(new Uint8Array(32));
    for (const args of [{}, { sha256 }, { sha256: 'x', to: BASE }, { sha256, to: 5 }, { sha256, to: BASE, more: 1 }]) {
      expect(verb.check(args as never).ok).toBe(false);
    }
  });
});
