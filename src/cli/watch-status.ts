/** `latchkey status --watch`: the status again and again, in place on a terminal, also while no gateway answers. */
import { sleep } from '../base/abort.ts';
import { explain, LatchkeyError } from '../base/errors.ts';
import { systemScheduler } from '../base/system-scheduler.ts';
import type { GatewayStatus } from '../edge/gateway/status.ts';
import type { CommandIo } from './command.ts';

const LOOK_EVERY_MS = 1_000;
/** ECMA-48: cursor home, erase to the end of the line, erase to the end of the screen. */
const [HOME, LINE_END, SCREEN_END] = ['\x1b[H', '\x1b[K', '\x1b[J'];
const ROWS_DEFAULT = 24;

export interface WatchParts {
  readonly ask: () => Promise<GatewayStatus>;
  readonly describe: (status: GatewayStatus) => readonly string[];
  readonly json: boolean;
  readonly io: Pick<CommandIo, 'out' | 'write' | 'signal'>;
  /** Undefined where output is no terminal: then one status follows the other. */
  readonly screen: Screen | undefined;
}

export interface Screen {
  rows(): number;
}

export function terminalOf(stream: NodeJS.WriteStream): Screen | undefined {
  return stream.isTTY ? { rows: () => stream.rows ?? ROWS_DEFAULT } : undefined;
}

/** Ends when it is interrupted. */
export async function watchStatus({ ask, describe, json, io, screen }: WatchParts): Promise<number> {
  const scheduler = systemScheduler();
  const { signal } = io;
  while (!signal.aborted) {
    const answer = await ask().catch((error: unknown) => {
      if (error instanceof LatchkeyError) return error;
      throw error;
    });
    if (signal.aborted) break;
    if (json) io.out(jsonOf(answer));
    else {
      const at = new Date().toISOString().slice(11, 19);
      const lines = answer instanceof LatchkeyError ? awayLines(answer) : describe(answer);
      await show([`${at} UTC; Ctrl-C ends`, ...lines], io, screen);
    }
    await sleep(scheduler, LOOK_EVERY_MS, signal).catch(() => undefined);
  }
  return 0;
}

function jsonOf(answer: GatewayStatus | LatchkeyError): string {
  if (!(answer instanceof LatchkeyError)) return JSON.stringify(answer);
  return JSON.stringify({ error: { code: answer.code, message: answer.message } });
}

function awayLines(error: LatchkeyError): readonly string[] {
  return ['no gateway answers; looked for again every second', `  ${explain(error)}`];
}

async function show(lines: readonly string[], io: WatchParts['io'], screen: Screen | undefined): Promise<void> {
  if (screen === undefined) {
    for (const line of [...lines, '']) io.out(line);
    return;
  }
  // A screen that scrolls is no longer written in place.
  const most = Math.max(2, screen.rows() - 1);
  const shown = lines.length <= most ? lines : [...lines.slice(0, most - 1), `(${lines.length - most + 1} more lines)`];
  await io.write(Buffer.from(`${HOME}${shown.map((line) => `${line}${LINE_END}`).join('\n')}\n${SCREEN_END}`));
}
