/**
 * Bodies of messages to values and back (PROTOCOL.md sections 5 to 8). What is read here passed `checkBody`.
 */
import { get16, get32, join, latin, put16, put32, put64 } from './bytes.ts';
import { BODY_BYTES_MAX } from './frame.ts';
import { EVENT_HEAD_BYTES, EVENT_KINDS } from './types.ts';

interface EventHead {
  /** Counts in this boot. */
  readonly number: number;
  /** The device's uptime when it was sure. */
  readonly atMs: number;
}

export type EventData =
  | { readonly kind: 'door'; readonly channel: number; readonly shut: boolean }
  | { readonly kind: 'item'; readonly channel: number; readonly there: boolean }
  | { readonly kind: 'weight'; readonly channel: number; readonly stable: boolean; readonly grams: number }
  | { readonly kind: 'scan'; readonly aim?: string; readonly code: Uint8Array }
  | { readonly kind: 'keypad'; readonly keypad: number; readonly keys: string }
  | { readonly kind: 'tamper'; readonly input: number; readonly raised: boolean }
  | {
      readonly kind: 'power';
      readonly source: 'mains' | 'battery';
      readonly there: boolean;
      readonly percent?: number;
    }
  | { readonly kind: 'lock'; readonly channel: number; readonly what: 'fired' | 'blocked' | 'engaged' }
  /** Of a later edition. */
  | { readonly kind: 'unknown'; readonly code: number; readonly data: Uint8Array };

export type DeviceEvent = EventHead & EventData;

export interface Polled {
  readonly uptimeMs: number;
  /** Number that the next event will get. */
  readonly nextEvent: number;
  readonly more: boolean;
  readonly tampered: boolean;
  readonly mainsLost: boolean;
  /** One for each channel: true shut. */
  readonly doors: readonly boolean[];
  readonly items: readonly boolean[];
  readonly events: readonly DeviceEvent[];
}

export function readPolled(body: Uint8Array): Polled {
  const flags = body[8] ?? 0;
  const channels = body[9] ?? 0;
  const bitBytes = Math.ceil(channels / 8);
  const bits = (from: number): readonly boolean[] =>
    Array.from({ length: channels }, (_, i) => (((body[from + (i >> 3)] ?? 0) >> (i & 7)) & 1) === 1);
  const events: DeviceEvent[] = [];
  for (let at = 10 + 2 * bitBytes; at < body.length; at += EVENT_HEAD_BYTES + (body[at + 1] ?? 0)) {
    const dataAt = at + EVENT_HEAD_BYTES;
    const data = readEvent(body[at] ?? 0, body.slice(dataAt, dataAt + (body[at + 1] ?? 0)));
    events.push({ number: get32(body, at + 2), atMs: get32(body, at + 6), ...data });
  }
  return {
    uptimeMs: get32(body, 0),
    nextEvent: get32(body, 4),
    more: (flags & 1) !== 0,
    tampered: (flags & 2) !== 0,
    mainsLost: (flags & 4) !== 0,
    doors: bits(10),
    items: bits(10 + bitBytes),
    events,
  };
}

const LOCK_WORDS = ['fired', 'blocked', 'engaged'] as const;

function readEvent(kind: number, data: Uint8Array): EventData {
  const [first = 0, second = 0, third = 0] = data;
  switch (kind) {
    case EVENT_KINDS.door:
      return { kind: 'door', channel: first, shut: second === 1 };
    case EVENT_KINDS.item:
      return { kind: 'item', channel: first, there: second === 1 };
    case EVENT_KINDS.weight:
      return { kind: 'weight', channel: first, stable: second === 1, grams: get32(data, 2) | 0 };
    case EVENT_KINDS.scan:
      return { kind: 'scan', ...(first !== 0 && { aim: latin(data.subarray(0, 3)) }), code: data.slice(3) };
    case EVENT_KINDS.keypad:
      return { kind: 'keypad', keypad: first, keys: latin(data.subarray(1)) };
    case EVENT_KINDS.tamper:
      return { kind: 'tamper', input: first, raised: second === 1 };
    case EVENT_KINDS.power: {
      const source = first === 0 ? 'mains' : 'battery';
      return { kind: 'power', source, there: second === 1, ...(third !== 255 && { percent: third }) };
    }
    case EVENT_KINDS.lock:
      return { kind: 'lock', channel: first, what: LOCK_WORDS[second] ?? 'engaged' };
    default:
      return { kind: 'unknown', code: kind, data };
  }
}

export const FEATURES = [
  'lock',
  'door',
  'occupancy',
  'weight',
  'scan',
  'keypad',
  'tamper',
  'power',
  'attention',
] as const;

export type Feature = (typeof FEATURES)[number];

export interface Capabilities {
  readonly features: readonly Feature[];
  readonly channels: number;
  readonly bodyBytesMax: number;
  readonly debounceMs: number;
  readonly replyMaxMs: number;
  readonly firmware?: string;
  readonly model?: string;
  readonly eventsKept?: number;
}

const CAPABILITIES_UNSAID: Capabilities = {
  features: [],
  channels: 0,
  bodyBytesMax: 64,
  debounceMs: 0,
  replyMaxMs: 50,
};

export function readCapable(body: Uint8Array): Capabilities {
  let said = CAPABILITIES_UNSAID;
  for (let at = 0; at < body.length; at += 2 + (body[at + 1] ?? 0)) {
    const value = body.subarray(at + 2, at + 2 + (body[at + 1] ?? 0));
    said = { ...said, ...readCapability(body[at] ?? 0, value) };
  }
  return said;
}

function readCapability(tag: number, value: Uint8Array): Partial<Capabilities> {
  switch (tag) {
    case 1:
      return { features: FEATURES.filter((_, bit) => ((get16(value, 0) >> bit) & 1) === 1) };
    case 2:
      return { channels: value[0] ?? 0 };
    case 3:
      return { bodyBytesMax: value[0] ?? 64 };
    case 4:
      return { debounceMs: get16(value, 0) };
    case 5:
      return { replyMaxMs: get16(value, 0) };
    case 6:
      return { firmware: latin(value) };
    case 7:
      return { model: latin(value) };
    case 8:
      return { eventsKept: get16(value, 0) };
    default:
      return {};
  }
}

/** In the order of COUNTED. */
export const DEVICE_COUNTERS = [
  'frames',
  'damaged',
  'no_session',
  'forged',
  'replayed',
  'skipped',
  'repeated',
  'sessions',
  'refused',
  'events_dropped',
] as const;

export function readCounted(body: Uint8Array): Readonly<Record<string, number>> {
  return Object.fromEntries(DEVICE_COUNTERS.map((name, i) => [name, get32(body, 4 * i)]));
}

export function readReady(body: Uint8Array): { boot: number; uptimeMs: number; nextEvent: number } {
  return { boot: get32(body, 0), uptimeMs: get32(body, 4), nextEvent: get32(body, 8) };
}

export function readMeasured(body: Uint8Array): { boot: number; digest: Uint8Array; mac: Uint8Array } {
  return { boot: get32(body, 0), digest: body.slice(5, 37), mac: body.slice(37, 53) };
}

export const OPENED_WORDS = ['fired', 'fired_before', 'too_late', 'no_channel', 'busy', 'lock_refuses'] as const;

export function readOpened(body: Uint8Array): { channel: number; result: (typeof OPENED_WORDS)[number] } {
  return { channel: body[0] ?? 0, result: OPENED_WORDS[body[1] ?? 5] ?? 'lock_refuses' };
}

export function pollBody(acknowledged: number, bodyBytesMax = BODY_BYTES_MAX): Uint8Array {
  return join(put32(acknowledged), Uint8Array.of(bodyBytesMax));
}

export function timeBody(unixMs: number): Uint8Array {
  return put64(Math.max(0, Math.trunc(unixMs)));
}

export interface OpenRequest {
  readonly channel: number;
  readonly pulseMs: number;
  /** The device refuses after this uptime of its own. */
  readonly notAfterMs: number;
  /** 8 bytes, never used again. */
  readonly command: Uint8Array;
}

export function openBody({ channel, pulseMs, notAfterMs, command }: OpenRequest): Uint8Array {
  return join(Uint8Array.of(channel), put16(pulseMs), put32(notAfterMs >>> 0), command);
}

export function setKeyBody(number: number, key: Uint8Array): Uint8Array {
  return join(put16(number), key);
}

export function whoBody(prefix: Uint8Array, bits: number, begin: boolean): Uint8Array {
  return join(Uint8Array.of(begin ? 1 : 0, bits), prefix);
}

export function assignBody(identity: Uint8Array, address: number): Uint8Array {
  return join(identity, Uint8Array.of(address));
}

export interface Here {
  readonly identity: Uint8Array;
  readonly address: number;
  readonly boot: number;
}

export function readHere(body: Uint8Array): Here {
  return { identity: body.slice(0, 8), address: body[8] ?? 0, boot: get32(body, 9) };
}
