/** Photos of a gateway: the store, the sources that fill it, and the ways in which a photo leaves the box. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { base64url, unbase64url, unhex } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EventBody } from '../../evidence/event/event.ts';
import type { Observer } from '../contracts/observed.ts';
import type { ReadingSink } from '../contracts/reading.ts';
import type { KeyStore } from '../contracts/signer.ts';
import type { Verbs } from '../contracts/verb.ts';
import type { ControlOut } from '../control/server.ts';
import { FileDrop } from '../drivers/photo/file-drop.ts';
import { HttpCamera } from '../drivers/photo/http-camera.ts';
import type { PhotoSource, PhotoSourceParts } from '../drivers/photo/photo-source.ts';
import type { PhotoSourceSettings } from '../drivers/photo/settings.ts';
import type { Journal } from '../journal/journal.ts';
import { TpmKeyStore } from '../keys/tpm-key-store.ts';
import { fetchVerb } from '../photos/fetch-verb.ts';
import { openPhotoKey, type Sealer } from '../photos/photo-key.ts';
import { PhotoStore, type PhotoStoreStatus } from '../photos/photo-store.ts';
import { Secret } from '../tpm/secret.ts';
import type { CustodyKeeper } from './custody-keeper.ts';
import type { GatewaySettings } from './settings.ts';

const DIRECTORY = 'photos';
const KEY_FILE = 'key';
const SHA256_BYTES = 32;

export interface PhotosParts {
  readonly settings: GatewaySettings;
  readonly keys: { readonly store: KeyStore };
  readonly journal: Journal;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class Photos {
  readonly #parts: PhotosParts;
  readonly #store: PhotoStore;
  #sources: readonly PhotoSource[] = [];

  constructor(parts: PhotosParts, store: PhotoStore) {
    this.#parts = parts;
    this.#store = store;
  }

  status(): PhotoStoreStatus {
    return this.#store.status();
  }

  verbs(): Verbs {
    const { settings, scheduler } = this.#parts;
    const { upload: allowed, uploadCaFile } = settings.photos.store;
    if (allowed.length === 0) return {};
    const ca = uploadCaFile === undefined ? {} : { ca: readPem(uploadCaFile) };
    return { fetch: fetchVerb({ store: this.#store, allowed, ...ca, nowMs: () => scheduler.monotonicMs() }) };
  }

  /** Takes photos from now on; those of cameras when their doors change. */
  start(sink: ReadingSink, keeper: Pick<CustodyKeeper, 'onEvent'>): void {
    const { settings, journal, logger } = this.#parts;
    const parts = {
      ...this.#parts,
      keeper: this.#store,
      sink,
      durable: (signal: AbortSignal) => journal.appender.flush(signal),
      logger: logger.child({ room: 'photos' }),
    };
    this.#sources = settings.photos.sources.map((source) => sourceOf(source, parts));
    for (const source of this.#sources) source.start();
    this.#store.start();
    const cameras = new Map(settings.custody.compartments.map(({ name, camera }) => [name, camera]));
    keeper.onEvent((body) => this.#heard(body, cameras));
  }

  /** For the control socket: the image itself. */
  async send(args: Readonly<Record<string, unknown>>, out: ControlOut): Promise<unknown> {
    const sha256 = sha256Of(args['sha256']);
    if (sha256 === undefined) {
      throw new LatchkeyError(
        'USAGE',
        'sha256: expected 64 hex digits, or 43 characters of base64url as events have them',
      );
    }
    const found = await this.#store.read(sha256);
    if (!found.ok) throw new LatchkeyError(found.reason === 'locked' ? 'KEY_LOCKED' : 'INPUT_UNREADABLE', found.detail);
    await out.data(found.value.bytes);
    return { media_type: found.value.mediaType, size_bytes: found.value.bytes.length };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.stop()));
    await this.#store.close();
  }

  #heard({ type, compartment }: EventBody, cameras: ReadonlyMap<string, string | undefined>): void {
    if (compartment === undefined || (type !== 'door.opened' && type !== 'door.closed')) return;
    const camera = cameras.get(compartment);
    const source = this.#sources.find(({ name }) => name === camera);
    source?.doorChanged({ compartment, open: type === 'door.opened' });
  }
}

/** Undefined where no source of photos is set up and none ever was. Rejects with STORE_IO. */
export async function openPhotos(parts: PhotosParts): Promise<Photos | undefined> {
  const { settings, keys, journal, observer } = parts;
  const directory = join(settings.gateway.data_dir, DIRECTORY);
  if (settings.photos.sources.length === 0 && !existsSync(directory)) return undefined;
  const sealer = keys.store instanceof TpmKeyStore ? sealerOf(keys.store) : undefined;
  const store = await PhotoStore.open({
    ...parts,
    directory,
    settings: settings.photos.store,
    key: () => openPhotoKey(join(directory, KEY_FILE), sealer),
    dropped: (sha256, ageMs) => {
      const data = { age_ms: Math.trunc(ageMs), reason: 'budget', sha256: base64url(sha256) };
      journal.appender.append({ observed: observer.observe(), body: { data, type: 'photo.dropped' } });
    },
    logger: parts.logger.child({ room: 'photos' }),
  });
  return new Photos(parts, store);
}

/** As log keys are kept: only this TPM, in an approved state, gives the key back. */
function sealerOf(store: TpmKeyStore): Sealer {
  return {
    seal: async (secret) => {
      const { privateBlob, publicArea } = await store.sealAside(new Secret(secret));
      return { privateBlob, publicArea };
    },
    unseal: async (sealed) => Uint8Array.from((await store.unsealAside(sealed)).reveal()),
  };
}

function sourceOf(settings: PhotoSourceSettings, parts: PhotoSourceParts): PhotoSource {
  return settings.kind === 'http' ? new HttpCamera(settings, parts) : new FileDrop(settings, parts);
}

function sha256Of(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string') return undefined;
  const bytes = value.length === 2 * SHA256_BYTES ? unhex(value.toLowerCase()) : unbase64url(value);
  return bytes?.length === SHA256_BYTES ? bytes : undefined;
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new LatchkeyError('CONFIG_UNREADABLE', `photos.store.upload_ca_file: ${messageOf(error)}`, { cause: error });
  }
}
