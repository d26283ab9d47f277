/** `latchkey simulate --ui` with a consumer and the gateway that fits it, as a technician starts them: one command. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../../../simulators/demo/child-process.ts';
import { callControl } from '../../../src/edge/control/client.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { startLatchkey } from '../../support/child.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const LIMIT_MS = 120_000;
const LOOK_AGAIN_MS = 20;

export interface SimulatedSite {
  readonly url: string;
  readonly configPath: string;
  readonly console: { readonly url: string; readonly person: string; readonly password: string };
  /** The process of the one command. */
  readonly simulator: Child;
  /** What the daemon's journal tells, as it comes, each entry once, also over a power cut of the daemon. */
  readonly entries: readonly CustodyEvent[];
  status(): Promise<GatewayStatus | undefined>;
  statusUntil(what: string, wanted: (status: GatewayStatus) => boolean): Promise<GatewayStatus>;
  /** The first entry of that kind from the mark on. */
  entry(what: string, wanted: (entry: CustodyEvent) => boolean, mark?: number): Promise<CustodyEvent>;
  /** Processes that the one command started. */
  programs(): readonly number[];
  close(): Promise<void>;
}

/** Resolves when the gateway has looked at every door once. */
export async function startSimulatedSite(): Promise<SimulatedSite> {
  const dir = makeTempDir('site-page');
  const configPath = dir.file('gateway.yaml');
  const following = new AbortController();
  const simulator = startLatchkey(['simulate', '--ui', '--with-gateway', '--write-config', configPath]);
  const close = async (): Promise<void> => {
    following.abort();
    await simulator.stop('SIGTERM').catch(() => undefined);
    dir.remove();
  };
  try {
    const url = (await simulator.line(/^page: http/, LIMIT_MS)).slice('page: '.length);
    const [, consoleUrl = '', person = '', password = ''] =
      /^console: (\S+) as (\S+), password (\S+)$/.exec(await simulator.line(/^console: http/, LIMIT_MS)) ?? [];
    const socketPath = join(dir.path, 'six-doors-gateway', 'control.sock');
    const entries: CustodyEvent[] = [];
    void follow(socketPath, following.signal, entries);
    const status = async (): Promise<GatewayStatus | undefined> => {
      const call = { verb: 'status', args: {}, socketPath, silenceMaxMs: 5_000 };
      return (await callControl(call).catch(() => undefined)) as GatewayStatus | undefined;
    };
    const site: SimulatedSite = {
      url,
      configPath,
      console: { url: consoleUrl, person, password },
      simulator,
      programs: () => programsOf(dir.path, simulator.pid),
      entries,
      status,
      close,
      async statusUntil(what, wanted) {
        const endMs = performance.now() + LIMIT_MS;
        for (;;) {
          const now = await status();
          if (now !== undefined && wanted(now)) return now;
          if (performance.now() > endMs) throw new Error(`waited in vain: ${what}${simulator.tail()}`);
          await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
        }
      },
      async entry(what, wanted, mark = 0) {
        const found = (): CustodyEvent | undefined => entries.slice(mark).find(wanted);
        await until(what, () => found() !== undefined, LIMIT_MS).catch((error: unknown) => {
          throw new Error(`${String(error)}; the journal tells ${JSON.stringify(entries.slice(mark))}`);
        });
        return found() as CustodyEvent;
      },
    };
    const looked = (): number => entries.filter(({ type }) => type === 'compartment.counted').length;
    await until('every door was looked at once', () => looked() >= 6, LIMIT_MS);
    return site;
  } catch (error) {
    await close();
    throw error;
  }
}

function programsOf(folder: string, simulator: number): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === simulator) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`--config\0${folder}/`) ? [Number(name)] : [];
    } catch {
      return []; // It ended meanwhile.
    }
  });
}

/** Again and again, since a daemon that is killed takes the stream along. */
async function follow(socketPath: string, signal: AbortSignal, entries: CustodyEvent[]): Promise<void> {
  const seen = new Map<string, string>();
  const onItem = (item: unknown): void => {
    const line = String(item);
    const entry = JSON.parse(line) as CustodyEvent;
    const key = `${entry.log} ${entry.n}`;
    // An entry that says something else than before comes twice.
    if (seen.get(key) !== line) entries.push(entry);
    seen.set(key, line);
  };
  const args = { lines: 1_000, follow: true };
  while (!signal.aborted) {
    await callControl({ verb: 'tail', args, socketPath, silenceMaxMs: 0, signal, onItem }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
