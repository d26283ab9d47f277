/** Access on a table: a real store on disk, doors and journal that are played, time by hand. */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { SecretText } from '../../../src/base/secret-text.ts';
import { AccessRoom, type DueHere } from '../../../src/edge/access/access.ts';
import { AccessStore } from '../../../src/edge/access/access-store.ts';
import type { Credential } from '../../../src/edge/access/credential.ts';
import { accessSettingsSchema } from '../../../src/edge/access/settings.ts';
import { codeVerifier } from '../../../src/edge/access/verifier.ts';
import type { EventDraft } from '../../../src/edge/contracts/appender.ts';
import type { OpenOutcome, OpenRequest } from '../../../src/edge/contracts/doors.ts';
import type { Observed } from '../../../src/edge/contracts/observed.ts';
import type { Reading } from '../../../src/edge/contracts/reading.ts';
import type { EventBody, ParcelRef } from '../../../src/evidence/event/event.ts';
import { guardBody } from '../../../src/evidence/event/guard.ts';
import { recogniseCode } from '../../../src/evidence/event/recognise-code.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

export const RECIPIENT = { kind: 'recipient', ref: 'r-1' } as const;
export const COURIER = { kind: 'courier', ref: 'c-7' } as const;

/** RFC 7914's cost is for people who guess; here nobody does. */
const VERIFIER = codeVerifier(utf8('a pepper of the box, thirty-two b'), { cost: 16, blockSize: 1 });

export const SETTINGS = accessSettingsSchema.parse({
  devices: [{ name: 'pad' }, { name: 'desk' }, { name: 'side', compartments: ['B01'] }],
  scanned: [{ prefix: 'LK:' }],
});

export interface TableOptions {
  readonly dir: string;
  readonly settings?: typeof SETTINGS;
  readonly clock?: Observed['clock'];
  /** What doors answer; opens unless given. */
  readonly open?: (request: OpenRequest) => Promise<OpenOutcome>;
  readonly scheduler?: ManualScheduler;
}

export class AccessTable {
  readonly scheduler: ManualScheduler;
  readonly drafts: EventDraft[] = [];
  readonly opened: OpenRequest[] = [];
  readonly passed: Reading[] = [];
  readonly signals: string[] = [];
  readonly store: AccessStore;
  readonly room: AccessRoom;
  due: readonly DueHere[] = [];
  /** The journal: `refused` takes nothing, and of `broken` nothing becomes durable. */
  journal: 'sound' | 'refused' | 'broken' = 'sound';
  clock: Observed['clock'];
  journalFlush = (): Promise<void> =>
    this.journal === 'broken' ? Promise.reject(new Error('no disk')) : Promise.resolve();
  readonly #dir: string;
  readonly #sink: (reading: Reading) => void;

  constructor(options: TableOptions) {
    this.#dir = options.dir;
    this.scheduler = options.scheduler ?? new ManualScheduler();
    this.clock = options.clock ?? { src: 'ntp', err_ms: 5 };
    const settings = options.settings ?? SETTINGS;
    this.store = new AccessStore({
      path: join(options.dir, 'credentials.db'),
      credentialsMax: settings.credentials_max,
      now: () => {
        const { clock, upMs, wallMs } = this.now();
        return { upMs, wallMs: clock.src === 'ntp' ? wallMs : undefined };
      },
    });
    this.room = new AccessRoom({
      settings,
      store: this.store,
      verifier: VERIFIER,
      doors: {
        open: (request) => {
          this.opened.push(request);
          return options.open?.(request) ?? Promise.resolve({ kind: 'opened', tookMs: 5 });
        },
      },
      dueFor: () => this.due,
      parcelOf: (reading) => parcelOf(reading.code.text ?? ''),
      signal: (device, word) => this.signals.push(`${device} ${word}`),
      appender: {
        append: (draft) => {
          if (this.journal === 'refused') return 'refused';
          this.drafts.push({ ...draft, body: guardBody(draft.body).body });
          return 'queued';
        },
        flush: () => this.journalFlush(),
      },
      observer: { observe: () => this.now() },
      scheduler: this.scheduler,
      logger: silentLogger,
      metrics: new MemoryMetrics(),
    });
    this.#sink = this.room.sink((reading) => this.passed.push(reading));
    this.room.start();
  }

  now(): Observed {
    const upMs = Math.round(this.scheduler.monotonicMs());
    return { wallMs: this.scheduler.wallMs(), upMs, clock: this.clock };
  }

  async grant(code: string, more: Partial<Credential> = {}): Promise<string | undefined> {
    const credential: Credential = {
      id: `${code}-id`,
      actor: RECIPIENT,
      compartments: ['A01'],
      usesMax: 1,
      uses: 0,
      endsAtRunMs: this.store.moment().runMs + 3_600_000,
      fromWallMs: undefined,
      untilWallMs: undefined,
      isRevoked: false,
      ...more,
    };
    return this.store.grant(credential, await VERIFIER.of(new SecretText(code)));
  }

  type(entry: string, device = 'pad'): Promise<void> {
    this.#sink({ kind: 'keypad', device, observed: this.now(), entry: new SecretText(entry) });
    return this.settled();
  }

  scan(text: string, device = 'desk', quarantined?: 'glued' | 'incomplete'): Promise<void> {
    const reading = { device, observed: this.now(), code: recogniseCode(utf8(text)), suppressed: 0 };
    this.#sink({ kind: 'scan', ...reading, ...(quarantined !== undefined && { quarantined }) });
    return this.settled();
  }

  /** Everything that was begun has ended. */
  async settled(): Promise<void> {
    while (this.room.isBusy) await new Promise((resolve) => setImmediate(resolve));
  }

  bodies(type?: string): readonly EventBody[] {
    return this.drafts.map(({ body }) => body).filter((body) => type === undefined || body.type === type);
  }

  reasons(): readonly unknown[] {
    return this.bodies('access.refused').map(({ data }) => data['reason']);
  }

  /** As power does it: what was durable in this moment is in the folder that this answers, and nothing else. */
  cut(): string {
    const after = join(this.#dir, 'after');
    mkdirSync(after);
    for (const name of readdirSync(this.#dir).filter((each) => each.startsWith('credentials.db'))) {
      copyFileSync(join(this.#dir, name), join(after, name));
    }
    this.store.close();
    return after;
  }
}

export function parcelOf(text: string): ParcelRef | undefined {
  return text === '' ? undefined : { ref: text, scheme: 'unknown' };
}

const dirs = [makeTempDir('access')];
/** Each test file of a process removes its own. */
afterAll(() => {
  for (const dir of dirs) dir.remove();
});

function tempDir(): string {
  const dir = makeTempDir('access');
  dirs.push(dir);
  return dir.path;
}

export function table(options: Partial<TableOptions> = {}): AccessTable {
  return new AccessTable({ dir: tempDir(), ...options });
}
