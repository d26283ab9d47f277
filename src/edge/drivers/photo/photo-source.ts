/** What every source of photos has in common: an image is checked, hashed, kept, and only then reported. */
import { createHash } from 'node:crypto';
import type { Scheduler } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Metrics } from '../../../base/metrics.ts';
import type { Observed, Observer } from '../../contracts/observed.ts';
import type { PhotoKeeper } from '../../contracts/photos.ts';
import type { DeviceReading, PhotoCause, ReadingSink } from '../../contracts/reading.ts';
import { wholeImage } from './image.ts';

export interface PhotoSourceParts {
  readonly keeper: PhotoKeeper;
  readonly sink: ReadingSink;
  /** Resolves when what went into `sink` before is durable in the journal; rejects when it cannot be made so. */
  readonly durable: (signal: AbortSignal) => Promise<void>;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface DoorChange {
  readonly compartment: string;
  readonly open: boolean;
}

export interface PhotoSource {
  readonly name: string;
  start(): void;
  /** A door of a compartment that names this source changed. */
  doorChanged(change: DoorChange): void;
  stop(): Promise<void>;
}

export interface TakenImage {
  readonly device: string;
  readonly bytes: Uint8Array;
  /** When the image was asked for or seen: what it shows is not older. */
  readonly observed: Observed;
  readonly cause: PhotoCause;
  readonly compartment?: string;
}

/** `none`: the bytes are no whole image, and nothing is kept or reported. `reported`: told, and could not be kept. */
export async function report(parts: PhotoSourceParts, image: TakenImage): Promise<'none' | 'reported' | 'kept'> {
  const { device, bytes, observed, cause, compartment } = image;
  const mediaType = wholeImage(bytes);
  if (mediaType === undefined) {
    parts.metrics.count('photos_refused', 1, { device });
    parts.logger.warn({ device, bytes: bytes.length }, 'no whole JPEG, PNG or WebP image: not taken');
    return 'none';
  }
  const sha256 = new Uint8Array(createHash('sha256').update(bytes).digest());
  const kept = await parts.keeper.keep({ sha256, mediaType, bytes });
  const about = { kind: 'photo', device, observed, cause, sha256, sizeBytes: bytes.length, mediaType, kept } as const;
  parts.sink(compartment === undefined ? about : { ...about, compartment });
  return kept ? 'kept' : 'reported';
}

/** Found and lost, each said once. */
export class SourceState {
  readonly #parts: PhotoSourceParts;
  readonly #device: string;
  #state: DeviceReading['state'] | undefined;

  constructor(parts: PhotoSourceParts, device: string) {
    this.#parts = parts;
    this.#device = device;
  }

  become(state: DeviceReading['state'], reason: string, detail = ''): void {
    if (this.#state === state) return;
    this.#state = state;
    const { sink, observer, logger } = this.#parts;
    const device = this.#device;
    if (state === 'found') logger.info({ device, reason }, 'device changed');
    else logger.warn({ device, reason, detail }, 'device changed');
    sink({ kind: 'device', device, observed: observer.observe(), state, reason, what: 'camera' });
  }
}
