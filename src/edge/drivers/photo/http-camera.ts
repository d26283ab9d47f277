/** A camera that is asked for an image when a door changes. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../../../base/errors.ts';
import { getImage } from './http-get.ts';
import { type DoorChange, type PhotoSource, type PhotoSourceParts, report, SourceState } from './photo-source.ts';
import { type HttpCameraSettings, sizeMaxBytes } from './settings.ts';

/** Doors that change while the camera works wait; more than so many are not photographed, and that is counted. */
const WAITING_MAX = 8;

export class HttpCamera implements PhotoSource {
  readonly name: string;
  readonly #settings: HttpCameraSettings;
  readonly #parts: PhotoSourceParts;
  readonly #state: SourceState;
  readonly #stopped = new AbortController();
  #waiting = 0;
  #queue: Promise<void> = Promise.resolve();

  constructor(settings: HttpCameraSettings, parts: PhotoSourceParts) {
    this.name = settings.name;
    this.#settings = settings;
    this.#parts = parts;
    this.#state = new SourceState(parts, settings.name);
  }

  start(): void {
    // It is not asked before there is something to see.
  }

  doorChanged(change: DoorChange): void {
    const cause = change.open ? 'door_opened' : 'door_closed';
    if (!this.#settings.on.includes(cause) || this.#stopped.signal.aborted) return;
    if (this.#waiting >= WAITING_MAX) {
      this.#parts.metrics.count('photos_not_asked', 1, { device: this.name });
      return;
    }
    this.#waiting += 1;
    this.#queue = this.#queue
      .then(() => this.#take(change, cause))
      .catch((error: unknown) => {
        this.#parts.logger.error({ device: this.name, reason: messageOf(error) }, 'a photo was not taken');
      })
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the gateway stops'));
    await this.#queue;
  }

  async #take(change: DoorChange, cause: 'door_opened' | 'door_closed'): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const { url, timeout_ms: timeoutMs, beyond_lan: beyondLan } = this.#settings;
    const { ca_file: caFile, authorization_file: authorizationFile } = this.#settings;
    const observed = this.#parts.observer.observe();
    const got = await getImage({
      url,
      timeoutMs,
      beyondLan,
      sizeMaxBytes: sizeMaxBytes(this.#settings),
      signal: this.#stopped.signal,
      ...(caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') }),
      ...(authorizationFile === undefined ? {} : { authorization: readFileSync(authorizationFile, 'utf8').trim() }),
    });
    if (this.#stopped.signal.aborted) return;
    if (!got.ok) {
      this.#parts.metrics.count('photos_failed', 1, { device: this.name, reason: got.reason });
      this.#state.become('lost', got.reason === 'timeout' ? 'no_reply' : got.reason, got.detail);
      return;
    }
    const { compartment } = change;
    const told = await report(this.#parts, { device: this.name, bytes: got.value, observed, cause, compartment });
    const isImage = told !== 'none';
    this.#state.become(isImage ? 'found' : 'faulted', isImage ? 'answered' : 'damaged');
  }
}
