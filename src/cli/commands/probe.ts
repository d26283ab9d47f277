/**
 * `latchkey probe`: what is attached to a port. Sends questions that only read, and never to a port that the gateway
 * holds.
 */
import { within } from '../../base/abort.ts';
import { concatBytes } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { describedFamilies } from '../../edge/drivers/describe/table.ts';
import { type ProbeResult, type ProbeWire, probe, probeSteps } from '../../edge/drivers/probe/probe.ts';
import type { GatewaySettings } from '../../edge/gateway/settings.ts';
import type { LinkOpener } from '../../edge/ports/link.ts';
import { serialOpener } from '../../edge/ports/serial-opener.ts';
import { linkSchema, type PortSettings } from '../../edge/ports/settings.ts';
import { tcpOpener } from '../../edge/ports/tcp-opener.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { gatewaySettings, hasLines } from '../locate.ts';

/** Nothing found, or not everything asked. */
const CANNOT_TELL = 2;
const LIMIT_DEFAULT_S = 180;
const LIMIT_MAX_S = 86_400;
/** Boards forget half a frame, and drivers turn around. */
const QUIET_BEFORE_MS = 30;
const HEARD_BYTES_MAX = 4_096;
/** Serial servers add to what a device takes. */
const TCP_EXTRA_MS = 250;

type LinkSettings = PortSettings['link'];

export const probeCommand: CommandRun = async (args, io) => {
  const link = await freeLink(args, io);
  const family = args.text('family');
  const baudText = args.text('baud');
  const baud = baudText === undefined ? undefined : args.count('baud', 0);
  const limitS = args.count('limit', LIMIT_DEFAULT_S);
  if (limitS < 1 || limitS > LIMIT_MAX_S) {
    throw new LatchkeyError('USAGE', `probe: --limit: expected 1 to ${LIMIT_MAX_S} seconds, found ${limitS}`);
  }
  const fixedSpeed = link.kind === 'tcp';
  const wanted = { ...(baud !== undefined && { baud }), ...(family !== undefined && { family }) };
  if (probeSteps({ ...wanted, fixedSpeed }).length === 0) {
    throw new LatchkeyError(
      'USAGE',
      `probe: nothing is known of ${family ?? ''}; families: ${describedFamilies().join(', ')}`,
    );
  }
  const result = await searchLink(link, { ...wanted, limitS }, io);
  if (args.flag('json')) io.out(JSON.stringify(result));
  else for (const line of describeResult(result)) io.out(line);
  return result.found.length > 0 && !result.cut ? 0 : CANNOT_TELL;
};

export interface SearchWish {
  readonly baud?: number;
  readonly family?: string;
  readonly limitS?: number;
}

/** Asks on this link until something has shown itself; says on standard error how far it is. */
export async function searchLink(link: LinkSettings, wish: SearchWish, io: CommandIo): Promise<ProbeResult> {
  const { limitS = LIMIT_DEFAULT_S, ...wanted } = wish;
  const fixedSpeed = link.kind === 'tcp';
  const signal = within(1_000 * limitS, io.signal);
  let shown = '';
  return probe({
    ...wanted,
    fixedSpeed,
    open: (speed) => openWire(openerOf(link, speed), fixedSpeed ? TCP_EXTRA_MS : 0, signal),
    signal,
    progress: (done, all, step) => {
      const now = `${step.family}${fixedSpeed ? '' : ` at ${step.baud} baud`}`;
      if (now !== shown) io.err(`asking for ${now} (${done} of ${all})`);
      shown = now;
    },
  });
}

export function describeResult({ found, asked, of, noiseAt, cut }: ProbeResult): readonly string[] {
  return [
    ...found.map(({ kind, family, address, channels, identity, baud }) => {
      const parts = [
        `${kind}: ${family}`,
        ...(address === undefined ? [] : [`address ${address}`]),
        ...(channels === undefined ? [] : [`${channels} channels in its answer`]),
        ...(baud === undefined ? [] : [`${baud} baud`]),
        ...(identity === undefined ? [] : [JSON.stringify(identity)]),
      ];
      return parts.join(', ');
    }),
    ...(found.length > 0
      ? []
      : ['nothing answered: check power, A to A and B to B, and that the adapter is the right one']),
    ...noiseAt.map(
      (baud) => `bytes without meaning at ${baud} baud: another speed, swapped A and B, or a family unknown here`,
    ),
    ...(cut
      ? [`stopped after ${asked} of ${of} questions: --limit gives it more time, --family and --baud ask less`]
      : []),
  ];
}

/** The link to probe; throws PORT_BUSY when the running gateway has it. */
async function freeLink(args: CommandArgs, io: CommandIo): Promise<LinkSettings> {
  const target = args.positionals[0] ?? '';
  const settings = settingsIfAny(args);
  const named = settings?.ports.find(({ name }) => name === target);
  const link = named?.link ?? linkOf(target);
  const holder = settings?.ports.find((port) => isSame(port.link, link));
  if (holder === undefined || settings === undefined) {
    // A serial port is locked by whoever has it; a serial server may let a second master in.
    if (link.kind === 'tcp')
      io.err('no gateway settings name this address: make sure that nobody else asks on its line');
    return link;
  }
  if (await hasLines(settings, io)) {
    const remedy =
      'stop the gateway ("systemctl stop latchkey"), probe, and start it again; "latchkey status" tells what it sees';
    throw new LatchkeyError('PORT_BUSY', `the running gateway asks on port ${holder.name}: ${remedy}`);
  }
  return link;
}

function settingsIfAny(args: CommandArgs): GatewaySettings | undefined {
  try {
    return gatewaySettings(args);
  } catch (error) {
    if (args.text('config') !== undefined) throw error;
    if (error instanceof LatchkeyError && error.code === 'CONFIG_UNREADABLE') return undefined;
    throw error;
  }
}

export function linkOf(target: string): LinkSettings {
  const tcp = /^(?:tcp:\/\/)?([^/]+):(\d{1,5})$/.exec(target);
  const link = tcp === null ? { kind: 'serial', path: target } : { kind: 'tcp', host: tcp[1], port: Number(tcp[2]) };
  const parsed = linkSchema.safeParse(link);
  if (parsed.success) return parsed.data;
  const expected =
    'a device path such as /dev/serial/by-id/..., tcp://HOST:PORT, or the name of a port in the settings';
  throw new LatchkeyError('USAGE', `probe: expected ${expected}, found ${JSON.stringify(target)}`);
}

function isSame(a: LinkSettings, b: LinkSettings): boolean {
  if (a.kind === 'serial') return b.kind === 'serial' && a.path === b.path;
  return b.kind === 'tcp' && a.host === b.host && a.port === b.port;
}

function openerOf(link: LinkSettings, baud: number): LinkOpener {
  return link.kind === 'tcp' ? tcpOpener(link) : serialOpener({ ...link, baud }, baud);
}

async function openWire(opener: LinkOpener, extraMs: number, signal: AbortSignal): Promise<ProbeWire> {
  let heard: Uint8Array = new Uint8Array(0);
  let lost: string | undefined;
  let changed: () => void = () => undefined;
  const events = {
    bytes: (chunk: Uint8Array) => {
      heard = concatBytes(heard, chunk).slice(-HEARD_BYTES_MAX);
      changed();
    },
    lost: (reason: string) => {
      lost = reason;
      changed();
    },
  };
  const link = await opened(opener, events, signal);
  /** Until `isOver`, at most so long. Ends early when the command is stopped. */
  const wait = (ms: number, isOver: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        changed = () => undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end, { once: true });
      changed = () => {
        if (isOver() || lost !== undefined) end();
      };
    });
  return {
    async ask(request, waitMs, enough) {
      await wait(QUIET_BEFORE_MS, () => false);
      if (signal.aborted) return new Uint8Array(0);
      heard = new Uint8Array(0);
      if (request !== undefined) await link.write(request);
      await wait(waitMs + (request === undefined ? 0 : extraMs), () => enough(heard));
      if (lost !== undefined) throw new LatchkeyError('PORT_UNAVAILABLE', `${opener.target} was lost: ${lost}`);
      return heard;
    },
    close: () => link.close(),
  };
}

async function opened(opener: LinkOpener, events: Parameters<LinkOpener['open']>[0], signal: AbortSignal) {
  try {
    return await opener.open(events, signal);
  } catch (error) {
    if (!(error instanceof LatchkeyError) || error.code !== 'PORT_BUSY') throw error;
    const remedy = 'if it is the gateway, stop it ("systemctl stop latchkey"), probe, and start it again';
    throw new LatchkeyError('PORT_BUSY', `${messageOf(error)}; ${remedy}`, { cause: error });
  }
}
