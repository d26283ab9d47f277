/** Where a gateway's settings and its control socket are, for commands that concern one. */

import { LatchkeyError } from '../base/errors.ts';
import { callControl } from '../edge/control/client.ts';
import { type GatewaySettings, gatewaySettingsSchema, socketPathOf } from '../edge/gateway/settings.ts';
import type { GatewayStatus } from '../edge/gateway/status.ts';
import { loadSettings } from '../platform/settings.ts';
import type { CommandArgs, CommandIo } from './command.ts';

export const GATEWAY_CONFIG_DEFAULT = '/etc/latchkey/gateway.yaml';
/** A daemon in a long commit or check still says something within this time. */
const SILENCE_MAX_MS = 60_000;

export function gatewaySettings(args: CommandArgs): GatewaySettings {
  return loadSettings(args.text('config') ?? GATEWAY_CONFIG_DEFAULT, gatewaySettingsSchema);
}

export interface Ask {
  readonly verb: string;
  readonly args?: Readonly<Record<string, unknown>>;
  readonly onItem?: (value: unknown) => void;
  readonly onProgress?: (value: unknown) => void;
  readonly onData?: (bytes: Uint8Array) => void | Promise<void>;
  readonly endless?: boolean;
}

/** Asks the running daemon of these settings. Rejects with SOCKET_REFUSED when none runs. */
export function askGateway(settings: GatewaySettings, io: CommandIo, ask: Ask): Promise<unknown> {
  return callControl({
    args: {},
    ...ask,
    socketPath: socketPathOf(settings),
    silenceMaxMs: ask.endless === true ? 0 : SILENCE_MAX_MS,
    signal: io.signal,
  });
}

/** The running gateway's answer, or, when none runs, what the journal's files say under its lock. */
export async function whenNoGateway<T>(asked: Promise<T>, offline: () => Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'SOCKET_REFUSED' && isNobodyThere(error.cause))
      return offline();
    throw error;
  }
}

/** Nobody serves the socket; anything else (no permission, an answer cut short) is for the caller to know. */
export function isNobodyThere(cause: unknown): boolean {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

/** Whether a gateway runs that asks on the lines of these settings. */
export async function hasLines(settings: GatewaySettings, io: CommandIo): Promise<boolean> {
  try {
    const status = (await askGateway(settings, io, { verb: 'status' })) as GatewayStatus;
    return status.lines.length > 0;
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'SOCKET_REFUSED') return false;
    throw error;
  }
}
