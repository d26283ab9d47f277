/** The console's page: whether its port answers, or is free, and whether its certificate can be read. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { ConsoleSettings } from '../../edge/console/settings.ts';
import type { GatewayStatus } from '../../edge/gateway/status.ts';
import { type Check, fault, sound } from './check.ts';
import { reachTcp } from './reach-tcp.ts';

const REACH_LIMIT_MS = 3_000;
const NAME = 'console';

/** Nothing where the settings want no page. Passwords and secrets are files of keys, which are looked at with the others. */
export async function checkConsole(
  web: ConsoleSettings['web'],
  status: GatewayStatus | undefined,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  if (web === undefined) return [];
  return [...(await checkCertificate(web.tls)), await checkPort(web, status, signal)];
}

async function checkCertificate(tls: NonNullable<ConsoleSettings['web']>['tls']): Promise<readonly Check[]> {
  if (tls === undefined) return [];
  const unreadable: string[] = [];
  for (const path of [tls.cert_file, tls.key_file]) {
    await access(path, constants.R_OK).catch(() => void unreadable.push(path));
  }
  if (unreadable.length === 0) return [];
  const remedy = 'console.web.tls names them: put them there, readable for the user of the daemon';
  return [fault('console-certificate', `cannot read ${unreadable.join(' and ')}`, remedy)];
}

async function checkPort(
  { host, port }: NonNullable<ConsoleSettings['web']>,
  status: GatewayStatus | undefined,
  signal: AbortSignal,
): Promise<Check> {
  if (port === 0) return sound(NAME, 'takes a free port at each start: the log of the daemon names it');
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const { ok: answers } = await reachTcp({ host: reached, port }, REACH_LIMIT_MS, signal);
  const where = `${host} port ${port}`;
  // What `findings.ts` says of a page that is away.
  const away = status?.notices.find((text) => text.startsWith('the console is not served'));
  if (away !== undefined)
    return fault(NAME, away, 'see console.web in gateway.yaml: is its port free, and its certificate there?');
  if (status !== undefined) {
    if (answers) return sound(NAME, `served on ${where}`);
    return fault(NAME, `nobody answers on ${where}`, 'the running gateway has other settings: start it again');
  }
  if (!answers) return sound(NAME, `${where} is free; a running gateway serves the page there`);
  return fault(
    NAME,
    `somebody else answers on ${where}`,
    'name another console.web.port, or stop whoever has it ("ss -ltnp")',
  );
}
