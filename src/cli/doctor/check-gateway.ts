/** The running gateway, through its control socket, and how far receipts are. */
import { LatchkeyError } from '../../base/errors.ts';
import { callControl } from '../../edge/control/client.ts';
import type { GatewaySettings } from '../../edge/gateway/settings.ts';
import type { GatewayStatus } from '../../edge/gateway/status.ts';
import { isNobodyThere } from '../locate.ts';
import { type Check, fault, faultOf, sound } from './check.ts';

const SILENCE_MAX_MS = 10_000;

/** The status, undefined when no gateway runs, or a finding when it cannot be asked. */
export async function askStatus(
  socketPath: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly status?: GatewayStatus; readonly error?: unknown }> {
  if (socketPath === undefined) return {};
  try {
    const call = { verb: 'status', args: {}, socketPath, silenceMaxMs: SILENCE_MAX_MS, signal };
    return { status: (await callControl(call)) as GatewayStatus };
  } catch (error) {
    const isGone = error instanceof LatchkeyError && error.code === 'SOCKET_REFUSED' && isNobodyThere(error.cause);
    return isGone ? {} : { error };
  }
}

/** `isSound`: whether a gateway would start with the settings. */
export function checkGateway(
  status: GatewayStatus | undefined,
  error: unknown,
  { configPath, isSound }: { readonly configPath: string; readonly isSound: boolean },
): Check {
  const name = 'gateway';
  if (error !== undefined) {
    return {
      ...faultOf(name, error),
      remedy: 'run this as the user of the daemon, or in its group; if it stays, look at its log',
    };
  }
  if (status === undefined) {
    const start = `"latchkey run --config ${configPath}" starts it`;
    return sound(
      name,
      'none runs with these settings',
      isSound ? start : `settings that are sound first; then ${start}`,
    );
  }
  const { problems, version, healthy } = status;
  if (healthy) return sound(name, `runs, healthy, latchkey ${version}`);
  const remedy = 'mend the findings below first; "latchkey status --watch" shows when it is over';
  return fault(name, `runs, but: ${problems.join('; ')}`, remedy);
}

export function checkReceipts(
  receivers: GatewaySettings['receivers'] | undefined,
  status: GatewayStatus | undefined,
): Check {
  const name = 'receipts';
  const keep = receivers?.filter(({ role }) => role === 'store').length ?? 0;
  if (keep === 0) {
    const remedy =
      'put the key that "latchkey receive --show-key" prints at the consumer under receivers, with role: store';
    return fault(name, 'the settings name no receiver that stores: nothing is ever pruned, and the disk fills', remedy);
  }
  const keys = `receivers that store: ${keep}`;
  if (status === undefined) return sound(name, `${keys}; how far they are only a running gateway knows`);
  const { entries, receipted } = status.log;
  const { receiptAgeMs, stalled } = status.uplink;
  const newest = receiptAgeMs === undefined ? 'none in this run' : `${Math.round(receiptAgeMs / 1_000)} s ago`;
  const found = `${keys}; ${receipted} of ${entries} entries are receipted, the newest receipt ${newest}`;
  if (!stalled) return sound(name, found);
  const remedy =
    'look at the consumer ("latchkey receive"): does it run, does its policy name this log, has its disk room?';
  return fault(name, `${found}: no receipt moves`, remedy);
}
