/** Types of messages and kinds of events, with their names (PROTOCOL.md sections 5 to 7). */
export const OPEN_TYPES = {
  WHO: 0x01,
  HUSH: 0x02,
  ASSIGN: 0x03,
  HELLO: 0x04,
  PROVE: 0x05,
  HERE: 0x81,
  HUSHED: 0x82,
  ASSIGNED: 0x83,
  CHALLENGE: 0x84,
  ATTENTION: 0x86,
  REFUSED: 0xff,
} as const;

export const SEALED_TYPES = {
  POLL: 0x11,
  CAPABILITIES: 0x12,
  MEASURE: 0x13,
  TIME: 0x14,
  OPEN: 0x15,
  SET_KEY: 0x16,
  SET_ADDRESS: 0x17,
  COUNTERS: 0x18,
  ECHO: 0x19,
  READY: 0x90,
  POLLED: 0x91,
  CAPABLE: 0x92,
  MEASURED: 0x93,
  TIMED: 0x94,
  OPENED: 0x95,
  KEY_SET: 0x96,
  ADDRESS_SET: 0x97,
  COUNTED: 0x98,
  ECHOED: 0x99,
  FAILED: 0xfe,
} as const;

export const EVENT_KINDS = {
  door: 1,
  item: 2,
  weight: 3,
  scan: 4,
  keypad: 5,
  tamper: 6,
  power: 7,
  lock: 8,
} as const;

export const EVENT_HEAD_BYTES = 10;
export const CHANNELS_MAX = 64;

/** The answer that belongs to a request; FAILED belongs to all. */
export function answerTo(request: number): number {
  return request | 0x80;
}

export function typeName(sealed: boolean, type: number): string | undefined {
  const names: Readonly<Record<string, number>> = sealed ? SEALED_TYPES : OPEN_TYPES;
  return Object.keys(names).find((name) => names[name] === type);
}
