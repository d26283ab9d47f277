/**
 * How a bus of lock boards is polled. One master, one request at a time.
 */
import { z } from 'zod';

export const pollSchema = z.strictObject({
  /** Each board that answers is asked once per cycle. A cycle that takes longer is followed by the next at once. */
  cycle_ms: z.int().min(50).max(60_000).default(500),
  /** From the last byte of the request, transmission of the answer apart. Serial servers and USB adapters add to it. */
  reply_timeout_ms: z.int().min(10).max(2_000).default(200),
  /** Silence before each request and after each answer: RS-485 drivers turn around in it, and a second answer shows. */
  turnaround_ms: z.int().min(2).max(200).default(20),
  /**
   * The latest that an answer may come. A board that did not answer is left alone so long, and its answers of then are
   * not mistaken for fresh ones.
   */
  late_answer_ms: z.int().min(100).max(10_000).default(2_000),
  /** Whether adapters give back what is sent: `auto` finds out, and believes nothing that could be an echo before. */
  echo: z.enum(['auto', 'on', 'off']).default('auto'),
  /** When no board at all was heard for so long, the port is closed and opened again. */
  liveness_ms: z.int().min(2_000).max(600_000).default(15_000),
});

export type PollSettings = z.infer<typeof pollSchema>;

export interface BusTiming {
  readonly cycleMs: number;
  readonly replyTimeoutMs: number;
  readonly turnaroundMs: number;
  readonly lateAnswerMs: number;
  readonly livenessMs: number;
  readonly echo: 'auto' | 'on' | 'off';
  /** Milliseconds that one byte takes on the wire: ten bits. */
  readonly byteMs: number;
}

export function busTiming(settings: PollSettings, baud: number): BusTiming {
  return {
    cycleMs: settings.cycle_ms,
    replyTimeoutMs: settings.reply_timeout_ms,
    turnaroundMs: settings.turnaround_ms,
    // Never shorter than a question with a margin, or the pause would end before the answer's own time has.
    lateAnswerMs: Math.max(settings.late_answer_ms, 3 * (settings.reply_timeout_ms + settings.turnaround_ms)),
    livenessMs: settings.liveness_ms,
    echo: settings.echo,
    byteMs: 10_000 / baud,
  };
}
