/** All checks of one box, whatever of its settings can be read. */
import { type ClockSenses, machineSenses } from '../../edge/clock/clock-probe.ts';
import type { GatewayStatus } from '../../edge/gateway/status.ts';
import { type Check, guarded, unknown } from './check.ts';
import { checkBroker } from './check-broker.ts';
import { checkClock } from './check-clock.ts';
import { checkConsole } from './check-console.ts';
import { checkDisk } from './check-disk.ts';
import { askStatus, checkGateway, checkReceipts } from './check-gateway.ts';
import { checkKeyFiles } from './check-key-files.ts';
import { checkPorts } from './check-ports.ts';
import { checkTpm } from './check-tpm.ts';
import { checkConfiguration, type KnownSettings, knownSettings, socketOf } from './known-settings.ts';

export interface Examination {
  readonly checks: readonly Check[];
  readonly known: KnownSettings;
  /** Of the running gateway. */
  readonly status: GatewayStatus | undefined;
}

export interface ExamineParts {
  readonly configPath: string;
  readonly signal: AbortSignal;
  /** What is asked about the clock; this machine unless given. */
  readonly senses?: ClockSenses;
}

export async function examine({ configPath, signal, senses }: ExamineParts): Promise<Examination> {
  const known = knownSettings(configPath);
  const { whole, parts, ports } = known;
  const { status, error } = await askStatus(socketOf(known), signal);
  const { keys } = parts;
  const groups = await Promise.all([
    guarded('ports', () => checkPorts(ports, status, signal)),
    guarded('clock', async () => [await checkClock(senses ?? machineSenses(() => Date.now()))]),
    guarded('tpm', async () => [await checkTpm({ keys, whole, status }, signal)]),
    guarded('disk', () => diskOf(known)),
    guarded('keys', () => checkKeyFiles(known)),
    guarded('broker', () => brokerOf(known, status, signal)),
    guarded('console', () => checkConsole(parts.console?.web, status, signal)),
  ]);
  return {
    checks: [
      checkConfiguration(known),
      checkGateway(status, error, { configPath, isSound: whole !== undefined }),
      ...groups.flat(),
      checkReceipts(parts.receivers, status),
    ],
    known,
    status,
  };
}

async function diskOf({ parts }: KnownSettings): Promise<readonly Check[]> {
  const { gateway, journal } = parts;
  if (gateway === undefined)
    return [unknown('disk', 'no settings name a data_dir', 'name gateway.data_dir in the settings')];
  if (journal === undefined)
    return [unknown('disk', 'the settings of the journal have problems', 'correct them first')];
  return checkDisk(gateway.data_dir, journal);
}

async function brokerOf(
  { parts }: KnownSettings,
  status: GatewayStatus | undefined,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const { mqtt, gateway, keys } = parts;
  if (mqtt === undefined) return [unknown('broker', 'no settings name a broker', 'name mqtt.url in the settings')];
  const tpmLogin = typeof keys === 'object' && keys.tpm.mqtt_login !== undefined;
  return checkBroker(
    { mqtt, gateway: gateway?.id ?? 'latchkey', tpmLogin, connected: status?.uplink.connected },
    signal,
  );
}
