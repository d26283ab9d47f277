/** The daemon as the console's server reaches it: through the control socket, like everybody else on this box. */
import { z } from 'zod';
import { LatchkeyError } from '../../base/errors.ts';
import type { Daemon, Elevation } from '../console/web/daemon.ts';
import type { ActAnswer, ConsoleView, EntryView, JournalPage } from '../contracts/console-view.ts';
import { callControl } from '../control/client.ts';
import { LineCutter } from '../control/lines.ts';
import type { CommissionedRow } from './commission/commissioning.ts';
import type { LogSizes, PageAnswer, WatchedEntry, WatchLine } from './console-watch.ts';

/** The daemon says something every two seconds while it is watched. */
const WATCH_SILENCE_MS = 15_000;
const ASK_SILENCE_MS = 30_000;
/** A door may take this long to be seen open. */
const ACT_SILENCE_MS = 120_000;
/** A walk says its step every few seconds, but a person may take a while over a wire. */
const WALK_SILENCE_MS = 180_000;
const LINE_CHARS_MAX = 16 * 1_048_576;

const leafShape = z.looseObject({
  at: z.string(),
  type: z.string(),
  compartment: z.string().exactOptional(),
  actor: z.object({ kind: z.string(), ref: z.string() }).exactOptional(),
});

export function consoleDaemon(socketPath: string): Daemon {
  const ask = (verb: string, args: Readonly<Record<string, unknown>>, silenceMaxMs: number, signal: AbortSignal) =>
    callControl({ socketPath, verb, args, silenceMaxMs, signal });
  return {
    watch: async (hear, signal) => {
      const lines = new LineCutter(LINE_CHARS_MAX);
      const onData = (bytes: Uint8Array): void => {
        const whole = lines.push(bytes);
        if (whole === undefined) throw new LatchkeyError('SOCKET_REFUSED', 'the daemon sent a view beyond all bounds');
        for (const line of whole) tell(JSON.parse(line) as WatchLine, hear);
      };
      await callControl({ socketPath, verb: 'watch', args: {}, silenceMaxMs: WATCH_SILENCE_MS, signal, onData });
    },
    journal: async (args, signal) => {
      const pieces: Uint8Array[] = [];
      const onData = (bytes: Uint8Array): void => void pieces.push(bytes);
      const silenceMaxMs = ASK_SILENCE_MS;
      await callControl({ socketPath, verb: 'journal', args: { ...args }, silenceMaxMs, signal, onData });
      return pageOf(JSON.parse(Buffer.concat(pieces).toString()) as PageAnswer);
    },
    elevate: async (person, code, signal) => {
      const answer = await ask('elevate', { person, code }, ASK_SILENCE_MS, signal);
      const { result, ticket, for_s: forS, reason } = answer as Readonly<Record<string, unknown>>;
      if (result === 'elevated') return { kind: 'ticket', ticket: String(ticket), forS: Number(forS) };
      return { kind: 'refused', reason: String(reason) } satisfies Elevation;
    },
    act: async (acting, request, signal) =>
      (await ask('act', { ...acting, ...request }, ACT_SILENCE_MS, signal)) as ActAnswer,
    notCommissioned: async (signal) => {
      const rows = (await ask('commissioned', {}, ASK_SILENCE_MS, signal)) as readonly CommissionedRow[];
      return rows.flatMap(({ compartment, at }) => (at === undefined ? [compartment] : []));
    },
    walk: (acting, verb, args, step, signal) =>
      callControl({
        socketPath,
        verb,
        args: { ...args, ...acting },
        silenceMaxMs: WALK_SILENCE_MS,
        signal,
        onProgress: (value) => step((value as { readonly step?: unknown }).step),
      }),
  };
}

function tell(line: WatchLine, hear: { view(view: ConsoleView): void; entry(entry: EntryView): void }): void {
  if ('view' in line) hear.view(line.view as ConsoleView);
  else for (const entry of line.entries) hear.entry(entryView(entry, line.sizes));
}

function pageOf({ log, entries, logs }: PageAnswer): JournalPage {
  return { log: log.origin, size: log.size, logs, entries: entries.map((entry) => entryView(entry, log)) };
}

/** An entry whose body was removed keeps its place. */
export function entryView({ log, n, leaf }: WatchedEntry, sizes: LogSizes): EntryView {
  const event: unknown = JSON.parse(leaf);
  const seen = leafShape.safeParse(event).data;
  const state = stateOf(n, sizes);
  if (seen === undefined) return { log, n, at: '', type: 'reduced', event, state };
  const { at, type, compartment, actor } = seen;
  return {
    log,
    n,
    at,
    type,
    ...(compartment !== undefined && { compartment }),
    ...(actor !== undefined && { actor: { kind: actor.kind, ref: actor.ref } }),
    event,
    state,
  };
}

function stateOf(n: number, { signed, anchored = 0, receipted }: LogSizes): EntryView['state'] {
  if (n < receipted) return 'receipted';
  if (n < anchored) return 'anchored';
  return n < signed ? 'signed' : 'durable';
}
