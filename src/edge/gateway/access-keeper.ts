/**
 * Access put together with the rooms that it needs: its secret and store on this disk, custody's expectations, the doors,
 * and the devices at which people stand.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import { trustedWallMs } from '../../evidence/event/trusted-clock.ts';
import { DIRECTORY_MODE } from '../../platform/durable-file.ts';
import { AccessRoom, type AccessStatus } from '../access/access.ts';
import { AccessStore } from '../access/access-store.ts';
import { type BoxSecret, openBoxSecret } from '../access/box-secret.ts';
import { deskVerbs } from '../access/desk-verbs.ts';
import { grantVerbs } from '../access/grants.ts';
import type { AccessSettings } from '../access/settings.ts';
import { codeVerifier } from '../access/verifier.ts';
import type { Appender } from '../contracts/appender.ts';
import type { Doors } from '../contracts/doors.ts';
import type { Observer } from '../contracts/observed.ts';
import type { ReadingSink } from '../contracts/reading.ts';
import type { Verbs } from '../contracts/verb.ts';
import type { Line } from '../drivers/line.ts';
import type { CustodyKeeper } from './custody-keeper.ts';
import type { GatewaySettings } from './settings.ts';

export interface AccessKeeperParts {
  readonly settings: GatewaySettings;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface AccessNeighbours {
  readonly keeper: CustodyKeeper;
  readonly doors: Doors;
  readonly appender: Appender;
  readonly lines: () => readonly Line[];
}

/** Rejects with KEY_PERMISSIONS, KEY_LOST, CONFIG_INVALID or ACCESS_STORE. Undefined where the settings want none. */
export async function openAccess(parts: AccessKeeperParts): Promise<AccessKeeper | undefined> {
  const { access, gateway } = parts.settings;
  if (access === undefined) return undefined;
  const secret = await openBoxSecret(join(gateway.data_dir, 'keys', 'access.key'), gateway.id);
  return new AccessKeeper(parts, access, secret);
}

/** Verbs about what custody is to expect: they need no codes. */
export function expectationVerbs({ custody }: GatewaySettings, keeper: CustodyKeeper): Verbs {
  return deskVerbs(keeper.visits, commissionedNames(custody));
}

export class AccessKeeper {
  /** X25519, 32 bytes: grants are sealed for it. */
  readonly publicKey: Uint8Array;
  readonly #parts: AccessKeeperParts;
  readonly #settings: AccessSettings;
  readonly #secret: BoxSecret;
  readonly #store: AccessStore;
  #room: AccessRoom | undefined;

  constructor(parts: AccessKeeperParts, settings: AccessSettings, secret: BoxSecret) {
    this.#parts = parts;
    this.#settings = settings;
    this.#secret = secret;
    this.publicKey = secret.publicKey;
    const folder = join(parts.settings.gateway.data_dir, 'access');
    mkdirSync(folder, { recursive: true, mode: DIRECTORY_MODE });
    this.#store = new AccessStore({
      path: join(folder, 'credentials.db'),
      credentialsMax: settings.credentials_max,
      now: () => {
        const observed = parts.observer.observe();
        return { upMs: observed.upMs, wallMs: trustedWallMs(observed) };
      },
    });
  }

  verbs(): Verbs {
    return grantVerbs({
      gateway: this.#parts.settings.gateway.id,
      secret: this.#secret,
      store: this.#store,
      verifier: codeVerifier(this.#secret.pepper),
      settings: this.#settings,
      compartments: new Set(this.#parts.settings.custody.compartments.map(({ name }) => name)),
    });
  }

  /** Takes codes from now on; the answer is where readings go from then. */
  start({ appender, doors, keeper, lines }: AccessNeighbours, next: ReadingSink): ReadingSink {
    const room = new AccessRoom({
      ...this.#parts,
      settings: this.#settings,
      store: this.#store,
      verifier: codeVerifier(this.#secret.pepper),
      doors,
      dueFor: (actor) => keeper.visits.dueFor(actor),
      parcelOf: (reading) => keeper.parcelOf(reading),
      signal: (device, word) => {
        for (const line of lines()) line.signal?.(device, word);
      },
      appender,
      logger: this.#parts.logger.child({ room: 'access' }),
    });
    this.#room = room;
    room.start();
    return room.sink(next);
  }

  /** Counts, never codes. */
  status(): AccessStatus | undefined {
    return this.#room?.status();
  }

  async stop(): Promise<void> {
    await this.#room?.stop();
  }

  /** After the last opening ended. */
  close(): void {
    this.#store.close();
  }
}

function commissionedNames({ compartments }: GatewaySettings['custody']): ReadonlySet<string> {
  return new Set(compartments.flatMap(({ name, polarity }) => (polarity === undefined ? [] : [name])));
}
