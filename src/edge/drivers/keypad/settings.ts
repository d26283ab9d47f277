/**
 * Settings of a serial keypad: one byte a key, or whole lines; there is no standard, so each key is named here.
 */
import { z } from 'zod';
import { deviceName } from '../device-name.ts';

export const KEYPAD = 'keypad';
export const KEYPAD_BAUD = 9_600;

const key = z.string().length(1);
const signal = z.string().min(1).max(16);

export const keypadSettings = z.strictObject({
  driver: z.literal(KEYPAD),
  name: deviceName,
  /** What ends an entry. A whole line ends with CR or LF, which are keys too. */
  enter: z.array(key).min(1).max(8).default(['#', '\r', '\n']),
  /** What takes the entry back, whole. */
  clear: z.array(key).max(8).default(['*', '\x1b']),
  /** What takes its last key back. */
  back: z.array(key).max(8).default(['\b', '\x7f']),
  /** Longer entries are no code: they are taken back, and so is what follows up to the next end. */
  length_max: z.int().min(4).max(64).default(16),
  /** Whoever stops typing for so long has gone: what he typed is taken back. */
  idle_s: z.int().min(2).max(120).default(15),
  /** After opening, bytes are discarded so long: they may have waited in a buffer since long ago. */
  settle_ms: z.int().min(0).max(5_000).default(50),
  /** What is sent to it when access was granted or refused (a lamp, a tone); nothing when absent. */
  granted: signal.exactOptional(),
  refused: signal.exactOptional(),
});

export type KeypadSettings = z.infer<typeof keypadSettings>;
