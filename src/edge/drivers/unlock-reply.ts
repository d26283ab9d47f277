/**
 * What boards say to an unlock, as a setting of each: documents and field notes of one family contradict each other.
 */
import { z } from 'zod';
import { equalBytes } from '../../base/bytes.ts';
import type { UnlockMessage, UnlockReply } from './board-family.ts';

/** `usual` is what most sources of a family say. */
export function unlockReplySetting(usual: UnlockReply): z.ZodDefault<z.ZodEnum<{ [R in UnlockReply]: R }>> {
  const words = { none: 'none', at_once: 'at_once', late: 'late', echo: 'echo' } as const;
  return z.enum(words).default(usual);
}

/** Serial servers and adapters add to what a board takes. A late reply comes after about a second. */
const TIMEOUT_MS: Readonly<Record<UnlockReply, number>> = { none: 0, at_once: 300, late: 2_500, echo: 300 };

export function replyTiming(
  reply: UnlockReply,
  sizeBytes: number,
): { readonly reply: UnlockReply; readonly replyBytes: number; readonly replyTimeoutMs: number } {
  return { reply, replyBytes: reply === 'none' ? 0 : sizeBytes, replyTimeoutMs: TIMEOUT_MS[reply] };
}

/** A frame with the request's own bytes: the reply of a board of that habit, an echo on the line of any other. */
export function ownBytes(frame: Uint8Array, request: Uint8Array, reply: UnlockReply): UnlockMessage | undefined {
  if (!equalBytes(frame, request)) return undefined;
  return reply === 'echo' ? { kind: 'unlock', accepted: true } : { kind: 'echo' };
}
