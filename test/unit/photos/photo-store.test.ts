import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { hex } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { Photo } from '../../../src/edge/contracts/photos.ts';
import { openPhotoKey } from '../../../src/edge/photos/photo-key.ts';
import { PhotoStore, type PhotoStoreParts } from '../../../src/edge/photos/photo-store.ts';
import { photoStoreSchema } from '../../../src/edge/photos/settings.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';

const DAY_MS = 86_400_000;
const dirs: TempDir[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) dir.remove();
});

function photoOf(fill: number, size = 10_000): Photo {
  const bytes = new Uint8Array(size).fill(fill);
  bytes.set([0xff, 0xd8, 0xff, fill], 0);
  bytes.set([0xff, 0xd9], size - 2);
  return { sha256: new Uint8Array(createHash('sha256').update(bytes).digest()), mediaType: 'image/jpeg', bytes };
}

interface Box {
  readonly dir: TempDir;
  readonly scheduler: ManualScheduler;
  readonly dropped: string[];
  clock: 'ntp' | 'none';
  freeBytes: number;
  open(more?: Partial<PhotoStoreParts>): Promise<PhotoStore>;
}

function boxWith(settings: Record<string, unknown> = {}): Box {
  const dir = makeTempDir('photos');
  dirs.push(dir);
  const scheduler = new ManualScheduler();
  const box: Box = {
    dir,
    scheduler,
    dropped: [],
    clock: 'ntp',
    freeBytes: 1e12,
    open: (more = {}) =>
      PhotoStore.open({
        directory: dir.path,
        settings: photoStoreSchema.parse({ free_min_mib: 1, ...settings }),
        key: () => openPhotoKey(dir.file('key'), undefined),
        dropped: (sha256) => box.dropped.push(hex(sha256)),
        observer: {
          observe: () => ({
            wallMs: scheduler.wallMs(),
            upMs: Math.floor(scheduler.monotonicMs()),
            clock: { src: box.clock },
          }),
        },
        scheduler,
        logger: silentLogger,
        metrics: new MemoryMetrics(),
        freeBytes: () => box.freeBytes,
        ...more,
      }),
  };
  return box;
}

function pathOf(box: Box, photo: Photo): string {
  return box.dir.file(`${hex(photo.sha256)}.photo`);
}

describe('the store of photos', () => {
  test('gives back what it keeps, also after a restart, and nothing of it is readable on the disk', async () => {
    const box = boxWith();
    const photo = photoOf(0x41);
    const store = await box.open();
    expect(await store.keep(photo)).toBe(true);
    expect(await store.keep(photo)).toBe(true);
    expect(store.status().photos).toBe(1);
    await store.close();
    const again = await box.open();
    expect(await again.read(photo.sha256)).toEqual({ ok: true, value: photo });
    const file = readFileSync(pathOf(box, photo));
    expect(file.includes(Buffer.alloc(16, 0x41))).toBe(false);
    expect(statSync(pathOf(box, photo)).mode & 0o777).toBe(0o600);
    expect(statSync(box.dir.file('key')).mode & 0o777).toBe(0o600);
  });

  test('one bit anywhere in a file, or another name, and it is refused', async () => {
    const box = boxWith();
    const photo = photoOf(1, 600);
    const other = photoOf(2, 600);
    const store = await box.open();
    await store.keep(photo);
    await store.keep(other);
    const path = pathOf(box, photo);
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(path, damaged);
      expect(await store.read(photo.sha256), `byte ${at}`).toMatchObject({ ok: false, reason: 'damaged' });
    }
    for (const size of [0, 10, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, size));
      expect(await store.read(photo.sha256)).toMatchObject({ ok: false, reason: 'damaged' });
    }
    renameSync(pathOf(box, other), path);
    expect(await store.read(photo.sha256)).toMatchObject({ ok: false, reason: 'damaged' });
  });

  test('another key opens nothing', async () => {
    const box = boxWith();
    const photo = photoOf(3);
    await (await box.open()).keep(photo);
    const stranger = await box.open({ key: async () => new Uint8Array(32) });
    expect(await stranger.read(photo.sha256)).toMatchObject({ ok: false, reason: 'damaged' });
  });

  test('without its key nothing is kept or read, and both go on when it is there', async () => {
    const box = boxWith();
    let isThere = false;
    const store = await box.open({
      key: () => (isThere ? openPhotoKey(box.dir.file('key'), undefined) : Promise.reject(new Error('TPM away'))),
    });
    expect(await store.keep(photoOf(4))).toBe(false);
    isThere = true;
    expect(await store.keep(photoOf(4))).toBe(true);
    expect((await store.read(photoOf(4).sha256)).ok).toBe(true);
  });

  test('is removed when it is old enough, by a clock that knows the time', async () => {
    const box = boxWith({ keep_days: 14 });
    const store = await box.open();
    await store.keep(photoOf(5));
    box.scheduler.advance(13 * DAY_MS);
    await store.expire();
    expect(store.status().photos).toBe(1);
    box.clock = 'none';
    box.scheduler.advance(2 * DAY_MS);
    await store.expire();
    expect(store.status().photos).toBe(1);
    box.clock = 'ntp';
    await store.expire();
    expect(store.status()).toMatchObject({ photos: 0, bytes: 0 });
    expect(await store.read(photoOf(5).sha256)).toMatchObject({ ok: false, reason: 'absent' });
    expect(box.dropped).toEqual([]);
  });

  test('the oldest make room, and each that goes before its time is named', async () => {
    const box = boxWith({ size_max_mib: 1 });
    const store = await box.open();
    const photos = [6, 7, 8, 9].map((fill) => photoOf(fill, 300_000));
    for (const photo of photos) {
      expect(await store.keep(photo)).toBe(true);
      box.scheduler.advance(1_000);
    }
    expect(box.dropped).toEqual([hex((photos[0] as Photo).sha256)]);
    expect(store.status().bytes).toBeLessThanOrEqual(1_048_576);
    expect(await store.keep(photoOf(10, 2_000_000))).toBe(false);
    expect(store.status().photos).toBe(3);
  });

  test('a disk without room keeps none, and the photos that are there give way', async () => {
    const box = boxWith();
    const store = await box.open();
    await store.keep(photoOf(11));
    box.freeBytes = 0;
    expect(await store.keep(photoOf(12))).toBe(false);
    expect(box.dropped).toEqual([hex(photoOf(11).sha256)]);
  });

  test('what a crash left at any step is nothing, or a whole photo', async () => {
    const photo = photoOf(13);
    const kept = boxWith();
    await (await kept.open()).keep(photo);
    const whole = readFileSync(pathOf(kept, photo));
    const half = `${hex(photo.sha256)}.photo.tmp`;
    const steps: readonly ((box: Box) => void)[] = [
      (box) => writeFileSync(box.dir.file(half), ''),
      (box) => writeFileSync(box.dir.file(half), whole.subarray(0, 5_000)),
      (box) => writeFileSync(box.dir.file(half), whole),
      (box) => writeFileSync(pathOf(box, photo), whole),
    ];
    for (const [i, crash] of steps.entries()) {
      const box = boxWith();
      writeFileSync(box.dir.file('key'), readFileSync(kept.dir.file('key')), { mode: 0o600 });
      crash(box);
      const store = await box.open();
      const isWhole = i === steps.length - 1;
      expect(store.status().photos).toBe(isWhole ? 1 : 0);
      expect((await store.read(photo.sha256)).ok).toBe(isWhole);
      expect(await store.keep(photo)).toBe(true);
      expect((await store.read(photo.sha256)).ok).toBe(true);
      expect(readdirSync(box.dir.path).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    }
  });

  test('a key that others may read, or that is none, is refused', async () => {
    const box = boxWith();
    writeFileSync(box.dir.file('key'), 'something else\n', { mode: 0o600 });
    await expect(openPhotoKey(box.dir.file('key'), undefined)).rejects.toMatchObject({ code: 'KEY_LOST' });
    writeFileSync(box.dir.file('open'), 'latchkey-photo-key v1\n', { mode: 0o644 });
    await expect(openPhotoKey(box.dir.file('open'), undefined)).rejects.toMatchObject({ code: 'KEY_PERMISSIONS' });
  });

  test('a sealed key lies there sealed, and only its sealer gives it back', async () => {
    const box = boxWith();
    const vault = new Map<string, Uint8Array>();
    const sealer = {
      seal: async (secret: Uint8Array) => {
        vault.set('1', Uint8Array.from(secret));
        return { privateBlob: Uint8Array.of(1), publicArea: Uint8Array.of(2) };
      },
      unseal: async () => vault.get('1') ?? new Uint8Array(0),
    };
    const key = await openPhotoKey(box.dir.file('key'), sealer);
    expect(readFileSync(box.dir.file('key')).includes(Buffer.from(key))).toBe(false);
    expect(await openPhotoKey(box.dir.file('key'), sealer)).toEqual(key);
    vault.clear();
    await expect(openPhotoKey(box.dir.file('key'), sealer)).rejects.toMatchObject({ code: 'KEY_LOST' });
  });
});
