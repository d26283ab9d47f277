/** A camera on loopback, custody's doors, the store, and the way out by the control socket: as the gateway puts them together. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { type Camera, startCamera } from '../../../simulators/camera/camera.ts';
import { base64url, concatBytes, hex } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { Reading } from '../../../src/edge/contracts/reading.ts';
import { wholeImage } from '../../../src/edge/drivers/photo/image.ts';
import { openPhotos, type PhotosParts } from '../../../src/edge/gateway/photos.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';
import type { EventBody } from '../../../src/evidence/event/event.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

let dir: TempDir;
let camera: Camera;
afterEach(async () => {
  await camera.close();
  dir.remove();
});

function partsOf(url: string): PhotosParts {
  const settings = gatewaySettingsSchema.parse({
    gateway: { id: 'gw-0001', operator_domain: 'lockers.example', data_dir: dir.path },
    keys: 'software',
    mqtt: { url: 'mqtt://127.0.0.1:1883' },
    references: { kind: 'clear' },
    ports: [
      {
        name: 'bank',
        link: { kind: 'tcp', host: '127.0.0.1', port: 4001 },
        devices: [{ driver: 'xor_8a80', name: 'board-1', address: 1, channels: 24 }],
      },
    ],
    custody: {
      compartments: [{ name: 'A01', device: 'board-1', channel: 1, polarity: 'closed_is_1', camera: 'eye-1' }],
    },
    photos: { sources: [{ kind: 'http', name: 'eye-1', url }] },
  });
  const observer = { observe: () => ({ wallMs: Date.now(), upMs: 1, clock: { src: 'ntp' as const } }) };
  const journal = { appender: { append: () => 'queued' } } as unknown as PhotosParts['journal'];
  const keys = { store: {} as PhotosParts['keys']['store'] };
  return {
    settings,
    keys,
    journal,
    observer,
    scheduler: systemScheduler(),
    logger: silentLogger,
    metrics: new MemoryMetrics(),
  };
}

test('a door that opens is photographed, and the photo is given out by its hash, also after a restart', async () => {
  dir = makeTempDir('gateway-photos');
  camera = await startCamera();
  const parts = partsOf(camera.url);
  const photos = await openPhotos(parts);
  if (photos === undefined) throw new Error('no photos');
  const readings: Reading[] = [];
  let hear: (body: EventBody) => void = () => undefined;
  photos.start((reading) => readings.push(reading), {
    onEvent: (listener) => {
      hear = listener;
    },
  });
  hear({ type: 'door.opened', compartment: 'B99', data: {} });
  hear({ type: 'code.scanned', compartment: 'A01', data: {} });
  hear({ type: 'door.opened', compartment: 'A01', data: {} });
  await until('a photo', () => readings.some(({ kind }) => kind === 'photo'));
  expect(camera.asked).toBe(1);
  const photo = readings.find((reading) => reading.kind === 'photo');
  expect(photo).toMatchObject({ compartment: 'A01', kept: true, mediaType: 'image/jpeg' });
  await photos.stop();

  const again = await openPhotos(parts);
  const sha256 = photo?.kind === 'photo' ? photo.sha256 : new Uint8Array(0);
  for (const name of [hex(sha256), base64url(sha256)]) {
    const pieces: Uint8Array[] = [];
    const out = { data: async (bytes: Uint8Array) => void pieces.push(bytes) } as never;
    expect(await again?.send({ sha256: name }, out)).toMatchObject({ media_type: 'image/jpeg' });
    const image = concatBytes(...pieces);
    expect(wholeImage(image)).toBe('image/jpeg');
    expect(new Uint8Array(createHash('sha256').update(image).digest())).toEqual(sha256);
    for (const file of readdirSync(dir.file('photos'))) {
      expect(readFileSync(dir.file('photos', file)).includes(Buffer.from(image.subarray(0, 64)))).toBe(false);
    }
  }
  const nobody = { data: async () => undefined } as never;
  await expect(again?.send({ sha256: hex(new Uint8Array(32)) }, nobody)).rejects.toMatchObject({
    code: 'INPUT_UNREADABLE',
  });
  await expect(again?.send({ sha256: 'x' }, nobody)).rejects.toMatchObject({ code: 'USAGE' });
  await again?.stop();
});

test('where there is no source and never was one, there is no store', async () => {
  dir = makeTempDir('gateway-photos');
  camera = await startCamera();
  const parts = partsOf(camera.url);
  const settings = { ...parts.settings, photos: { ...parts.settings.photos, sources: [] } };
  expect(await openPhotos({ ...parts, settings })).toBeUndefined();
  expect(readdirSync(dir.path)).toEqual([]);
});
