/**
 * The programs beside a simulated site, as processes of this same command line: a consumer, so that entries are stored and
 * receipted as in the field, and the gateway itself when it is asked for.
 */
import { stringify } from 'yaml';
import type { SiteSettings } from '../../simulators/site/settings.ts';
import { Program } from '../../simulators/ui/program.ts';
import { LatchkeyError } from '../base/errors.ts';
import { makeDirectory } from '../platform/durable-file.ts';
import { parseSettings } from '../platform/settings.ts';
import { receiverVkey } from '../risk/receive/receive.ts';
import { receiveSettingsSchema } from '../risk/receive/settings.ts';
import { beside, ownText, unwritable, writeSettings } from './simulated-gateway.ts';

/** Quicker than the gateway, so that it hears the first thing that is sent after an outage. */
const RECONNECT = { first_ms: 50, max_ms: 200 };
const STOP_WAIT_S = 2;

export interface WrittenConsumer {
  /** Whose receipts the gateway is to believe. */
  readonly vkey: string;
  readonly configPath: string;
}

export function consumerPath(configPath: string, settings: SiteSettings): string {
  return beside(configPath, settings, 'receive.yaml');
}

/**
 * Settings and key of a consumer that keeps every entry in files. It believes the first log key that it sees, as nothing but
 * a trial may: there is nobody here who could tell it the right one.
 */
export async function writeConsumer(
  settings: SiteSettings,
  brokerUrl: string,
  gatewayConfigPath: string,
): Promise<WrittenConsumer> {
  const configPath = consumerPath(gatewayConfigPath, settings);
  ownText(configPath);
  const text = stringify({
    data_dir: beside(gatewayConfigPath, settings, 'consumer'),
    store: 'files',
    trust_first_use: true,
    mqtt: { url: brokerUrl, protocol: '3.1.1', reconnect: RECONNECT },
    witness: { name: `consumer.example/sim-${settings.name}`, role: 'store' },
    stop_wait_s: STOP_WAIT_S,
  });
  const parsed = parseSettings(text, receiveSettingsSchema);
  if (!parsed.ok) throw new LatchkeyError('CONFIG_INVALID', `no receive.yaml fits this site: ${parsed.detail}`);
  try {
    await makeDirectory(parsed.value.data_dir);
    await writeSettings(configPath, text);
  } catch (error) {
    throw unwritable(configPath, error);
  }
  return { vkey: await receiverVkey(parsed.value), configPath };
}

export function consumerProgram(configPath: string, logPath: string): Program {
  return new Program({ name: 'consumer', args: [main(), 'receive', '--config', configPath], ready: RECEIVES, logPath });
}

export function gatewayProgram(configPath: string, logPath: string): Program {
  return new Program({ name: 'gateway', args: [main(), 'run', '--config', configPath], ready: RUNS, logPath });
}

const RECEIVES = 'the receiver runs';
const RUNS = 'the gateway runs';

/** The entry of this process: what it starts is of its own version. */
function main(): string {
  const path = process.argv[1];
  if (path === undefined) throw new LatchkeyError('INTERNAL', 'this process has no command line that it could start');
  return path;
}
