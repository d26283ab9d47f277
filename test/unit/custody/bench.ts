/** A custody room on a table: time by hand, every draft through guard and leaf as the journal would. */
import { createHash, createHmac } from 'node:crypto';
import { expect } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { EventDraft } from '../../../src/edge/contracts/appender.ts';
import type { Observed } from '../../../src/edge/contracts/observed.ts';
import type { DeviceReading, ScanReading } from '../../../src/edge/contracts/reading.ts';
import { createCustody } from '../../../src/edge/custody/custody.ts';
import { pseudonymousReferences, type ReferenceMaker } from '../../../src/edge/custody/references.ts';
import type { Custody } from '../../../src/edge/custody/room.ts';
import { custodySettingsSchema } from '../../../src/edge/custody/settings.ts';
import type { EvidenceCrypto } from '../../../src/evidence/crypto.ts';
import type { EventBody, JsonObject } from '../../../src/evidence/event/event.ts';
import { guardBody, judgeLeaf } from '../../../src/evidence/event/guard.ts';
import { encodeLeaf, parseLeaf } from '../../../src/evidence/event/leaf.ts';
import { recogniseCode } from '../../../src/evidence/event/recognise-code.ts';
import type { ReferenceKey } from '../../../src/evidence/event/reference.ts';

export const crypto: EvidenceCrypto = {
  sha256: (bytes) => createHash('sha256').update(bytes).digest(),
  hmacSha256: (key, message) => createHmac('sha256', key).update(message).digest(),
  verifyEd25519: () => false,
  verifyEcdsaP256: () => false,
};

export const NOVEMBER: ReferenceKey = { id: '2026-11', key: utf8('november-november-november-novemb') };
export const DECEMBER: ReferenceKey = { id: '2026-12', key: utf8('december-december-december-decemb') };

/** GS1 General Specifications and UPU S10-12: valid check digits. */
export const PARCEL_A = '340123450000000017';
export const PARCEL_B = 'RB123456785GB';

export const SETTINGS = custodySettingsSchema.parse({
  compartments: [
    { name: 'e1', device: 'east', channel: 1, polarity: 'closed_is_0', item_sensor: true },
    { name: 'e2', device: 'east', channel: 2, polarity: 'closed_is_0', item_sensor: true, scanners: ['desk'] },
    { name: 'w1', device: 'west', channel: 1, polarity: 'closed_is_1' },
    { name: 'u1', device: 'west', channel: 2, item_sensor: true },
  ],
  scan_window_s: 60,
  door_open_max_s: 120,
  settle_ms: 1_500,
});

export const LOG = 'lockers.example/gw-0001/1-9f2c01aa';

const POLL_MS = 500;

/** The whole room in one text, as version 0.1 kept it. */
export function snapshotOf({ custody }: { readonly custody: Pick<Custody, 'changes'> }): JsonObject {
  const parts = custody.changes({ whole: true }).map(({ state }) => state);
  const compartments = parts.flatMap((part) => part['compartments'] as readonly JsonObject[]);
  return { ...parts[0], compartments };
}

export interface TableOptions {
  readonly boot?: number;
  readonly log?: string;
  readonly restored?: unknown;
  /** As later versions keep it, the head first. */
  readonly parts?: readonly JsonObject[];
  readonly references?: ReferenceMaker;
  readonly settings?: typeof SETTINGS;
}

export class Table {
  readonly scheduler = new ManualScheduler();
  readonly metrics = new MemoryMetrics();
  readonly drafts: EventDraft[] = [];
  readonly withheld: string[] = [];
  readonly custody: Custody;
  readonly boot: number;
  answer: 'queued' | 'refused' = 'queued';

  constructor(options: TableOptions = {}) {
    this.boot = options.boot ?? 1;
    this.custody = createCustody({
      settings: options.settings ?? SETTINGS,
      appender: { append: (draft) => this.#append(draft) },
      references: options.references ?? pseudonymousReferences(crypto, [NOVEMBER]),
      boot: this.boot,
      log: options.log ?? LOG,
      ...(options.restored !== undefined && { restored: [options.restored] }),
      ...(options.parts !== undefined && { restored: options.parts }),
      scheduler: this.scheduler,
      observer: { observe: () => this.now() },
      logger: silentLogger,
      metrics: this.metrics,
    });
    this.custody.start();
  }

  now(): Observed {
    const upMs = Math.round(this.scheduler.monotonicMs());
    return { wallMs: this.scheduler.wallMs(), upMs, clock: { src: 'ntp', err_ms: 5 } };
  }

  /** Polls a board every half second: `reads` says each channel's feedback and item bit. */
  poll(device: string, reads: Readonly<Record<number, readonly [feedback: 0 | 1, item?: 0 | 1]>>, times = 1): void {
    for (let i = 0; i < times; i += 1) {
      this.scheduler.advance(POLL_MS);
      const channels = Object.entries(reads).map(([channel, [feedback, item]]) => ({
        channel: Number(channel),
        feedback,
        ...(item === undefined ? {} : { item }),
      }));
      const observed = this.now();
      this.custody.sink({ kind: 'board', device, observed, askedUpMs: observed.upMs - 20, channels });
    }
  }

  /** Compartment e1: feedback 0 is shut. */
  east(door: 'shut' | 'open', item: 0 | 1, times = 2): void {
    this.poll('east', { 1: [door === 'shut' ? 0 : 1, item] }, times);
  }

  /** Compartment w1: feedback 1 is shut, no sensor. */
  west(door: 'shut' | 'open', times = 2): void {
    this.poll('west', { 1: [door === 'shut' ? 1 : 0] }, times);
  }

  scan(text: string | Uint8Array, more: Partial<ScanReading> = {}, aim?: string): void {
    const raw = typeof text === 'string' ? utf8(text) : text;
    const code = recogniseCode(raw, aim);
    this.custody.sink({ kind: 'scan', device: 'desk', observed: this.now(), code, suppressed: 0, ...more });
  }

  device(state: DeviceReading['state'], reason: string, device = 'east'): void {
    this.custody.sink({ kind: 'device', device, observed: this.now(), state, reason });
  }

  bodies(type?: string): readonly EventBody[] {
    return this.drafts.map(({ body }) => body).filter((body) => type === undefined || body.type === type);
  }

  types(): readonly string[] {
    return this.drafts.map(({ body }) => body.type);
  }

  /** Forgets what was said so far, and gives what was said since the last time. */
  said(): readonly EventBody[] {
    return this.drafts.splice(0).map(({ body }) => body);
  }

  closing(): { readonly body: EventBody; readonly data: JsonObject } {
    const closings = this.said().filter(({ type }) => type.startsWith('parcel.') || type === 'compartment.disturbed');
    expect(closings.map(({ type }) => type)).toHaveLength(1);
    const body = closings[0] as EventBody;
    return { body, data: body.data };
  }

  #append(draft: EventDraft): 'queued' | 'refused' {
    const { body, withheld } = guardBody(draft.body);
    this.withheld.push(...withheld);
    const { observed } = draft;
    expect(Number.isInteger(observed.upMs)).toBe(true);
    const leaf = parseLeaf(
      encodeLeaf({
        ...body,
        v: 1,
        log: LOG,
        n: this.drafts.length,
        salt: 'AAAAAAAAAAAAAAAAAAAAAA',
        at: new Date(observed.wallMs).toISOString(),
        clock: observed.clock,
        boot: this.boot,
        up_ms: observed.upMs,
        ...(withheld.length > 0 ? { withheld } : {}),
      }),
    );
    expect(leaf.ok && judgeLeaf(leaf.value)).toEqual({ use: 'accepted' });
    this.drafts.push({ ...draft, body });
    return this.answer;
  }
}

/** The reference that the room makes of a parcel. */
export function refOf(value: string, key: ReferenceKey = NOVEMBER): { ref: string; scheme: string } {
  const scheme = value === PARCEL_B ? 's10' : value === PARCEL_A ? 'sscc' : 'unknown';
  return pseudonymousReferences(crypto, [key]).parcel(scheme, value) ?? { ref: '', scheme };
}
