/**
 * Plays a site for a person: says where its devices are, tells its stories, and does what is typed.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { explain } from '../../src/base/errors.ts';
import { mishaps } from '../faults/kinds.ts';
import { type Site, startSite } from '../site.ts';
import type { SiteSettings } from './settings.ts';
import { parseStep, STEP_HELP } from './steps.ts';

export interface PlayIo {
  out(line: string): void;
  err(line: string): void;
  /** Lines typed by a person, or out of a script; absent when nobody types. */
  readonly input?: Readable;
  readonly json: boolean;
  /** What more is served beside the lines, once they are there. */
  readonly serve?: (site: Site) => Promise<Served>;
}

export interface Served {
  /** Said in the order of its members. */
  readonly told: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Serves the site until the signal fires, then prints what happened on the lines. */
export async function runSite(settings: SiteSettings, io: PlayIo, signal: AbortSignal): Promise<void> {
  const site = await startSite({ site: settings });
  let served: Served | undefined;
  try {
    for (const { line, kind, address } of site.links) {
      io.out(io.json ? JSON.stringify({ line, kind, address }) : `${line}: ${kind} ${address}`);
    }
    served = await io.serve?.(site);
    if (served !== undefined) tellServed(served, io);
    const input = io.input === undefined ? undefined : listenTo(site, io.input, io);
    const stories = settings.stories.map((story) => tell(site, story, io, signal));
    const failed = Promise.all(stories).then(() => aborted(signal));
    await Promise.race([failed, aborted(signal)]);
    input?.close();
    io.out(io.json ? JSON.stringify(site.report()) : reportText(site));
  } finally {
    await served?.close();
    await site.close();
  }
}

function tellServed({ told }: Served, io: PlayIo): void {
  if (io.json) io.out(JSON.stringify(told));
  else for (const [what, text] of Object.entries(told)) io.out(`${what}: ${text}`);
}

async function tell(
  site: Site,
  story: SiteSettings['stories'][number],
  io: PlayIo,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; story.repeat === 0 || round < story.repeat; round += 1) {
    for (const step of story.steps) {
      if (signal.aborted) return;
      await site.perform(step, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
    // A story without a wait must not keep its site from hearing anything else.
    await new Promise((resolve) => setImmediate(resolve));
  }
  io.err(`story ${story.name} is told`);
}

/** Does what is typed until closed: one line after the other, so that a script can wait between two steps. */
export function listenTo(site: Site, input: Readable, io: PlayIo): { close(): void } {
  const lines = createInterface({ input });
  const closed = new AbortController();
  const follow = async (): Promise<void> => {
    for await (const text of lines) {
      if (closed.signal.aborted) return;
      await obey(site, text.trim(), io, closed.signal);
    }
  };
  follow().catch((error: unknown) => io.err(`what is typed cannot be read any more: ${explain(error)}`));
  io.err(`type: ${STEP_HELP}, status`);
  return {
    close() {
      closed.abort();
      lines.close();
    },
  };
}

async function obey(site: Site, text: string, io: PlayIo, signal: AbortSignal): Promise<void> {
  if (text === '') return;
  if (text === 'status') return io.out(io.json ? JSON.stringify(site.report()) : reportText(site));
  const step = parseStep(text);
  if (!step.ok) return io.err(`${step.detail}; or "status"`);
  await site.perform(step.value, signal).catch((error: unknown) => {
    if (!signal.aborted) io.err(explain(error));
  });
}

function reportText(site: Site): string {
  const lines = site.report().lines.map(({ line, plugged, requests, emissions, faults }) => {
    const happened = Object.entries(mishaps(faults)).map(([kind, count]) => `${kind} ${count}`);
    const state = plugged ? '' : ', unplugged';
    return `${line}: ${requests} requests, ${emissions} sent${state}; ${happened.join(', ') || 'no faults'}`;
  });
  const open = site.cells().filter((cell) => cell.door === 'open');
  return [...lines, `open doors: ${open.map((cell) => cell.name).join(', ') || 'none'}`].join('\n');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
