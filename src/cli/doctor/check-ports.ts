/** Whether the ports of the settings are there, and whether this user may use them. Opens no serial line. */
import { stat } from 'node:fs/promises';
import { messageOf } from '../../base/errors.ts';
import type { GatewayStatus } from '../../edge/gateway/status.ts';
import { type ListedPort, listPorts } from '../../edge/ports/list-ports.ts';
import type { PortSettings, SerialLinkSettings, TcpLinkSettings } from '../../edge/ports/settings.ts';
import { type Check, fault, sound } from './check.ts';
import { mayUse, SERIAL_RULE, thisUser, wayIn } from './may-use.ts';
import { holderOf } from './port-holder.ts';
import { describeReach, reachTcp } from './reach-tcp.ts';

export async function checkPorts(
  ports: readonly PortSettings[],
  status: GatewayStatus | undefined,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const listed = await listPorts();
  if (ports.length === 0) {
    const found = `the settings name no port; plugged in: ${namesOf(listed)}`;
    const remedy = '"latchkey probe PORT" tells what is attached, and "latchkey init" writes it down';
    return [fault('ports', found, remedy)];
  }
  return Promise.all(
    ports.map(async (port) => {
      const name = `port:${port.name}`;
      const line = status?.lines.find((each) => each.port === port.name);
      if (line?.state === 'open') return fromLine(name, line);
      if (port.link.kind === 'tcp') return checkTcp(name, port.link, signal);
      return checkSerial(name, port.link, listed);
    }),
  );
}

type Line = GatewayStatus['lines'][number];

/** The running gateway has it, and knows best. */
function fromLine(name: string, line: Line): Check {
  const bad = line.devices.filter(({ state }) => state === 'lost' || state === 'faulted');
  if (bad.length === 0) return sound(name, `open in the running gateway; devices: ${line.devices.length}`);
  const found = bad.map((device) => `${device.name} is ${device.state}: ${device.reason}`).join('; ');
  const remedies = new Set(bad.flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy])));
  const remedy =
    [...remedies].join('; ') || 'check its power and its wires: A to A, B to B, and the address and speed set on it';
  return fault(name, `open in the running gateway, but ${found}`, remedy);
}

async function checkTcp(name: string, { host, port, connect_timeout_ms }: TcpLinkSettings, signal: AbortSignal) {
  const answer = await reachTcp({ host, port }, connect_timeout_ms, signal);
  if (answer.ok) return sound(name, `tcp ${host} port ${port} answers`);
  return fault(name, `tcp ${host} port ${port}: ${answer.detail}`, describeReach(answer.reason, 'the serial server'));
}

async function checkSerial(name: string, { path }: SerialLinkSettings, listed: readonly ListedPort[]): Promise<Check> {
  const found = await stat(path).catch((error: unknown) => messageOf(error));
  if (typeof found === 'string') {
    const remedy = `plug the adapter in, or name the right one in the settings; plugged in: ${namesOf(listed)}`;
    return fault(name, `expected a serial device at ${path}, found none (${found})`, remedy);
  }
  if (!found.isCharacterDevice()) {
    return fault(name, `${path} is no device`, `name a serial device in the settings; plugged in: ${namesOf(listed)}`);
  }
  if (!(await mayUse(path))) {
    const remedy = await wayIn(found, SERIAL_RULE);
    return fault(name, `${path} is there, but ${thisUser()} may not read and write it`, remedy);
  }
  const holder = await holderOf(path);
  if (holder !== undefined) {
    const remedy =
      'stop that process ("systemctl stop ModemManager", or the terminal program), or give the gateway another port';
    return fault(name, `${path} is held by ${holder}`, remedy);
  }
  return sound(name, `${path} is there, readable and writable, and free`, unlasting(path, listed));
}

/** A kernel name changes when cables move. */
function unlasting(path: string, listed: readonly ListedPort[]): string {
  const lasting = listed.find((port) => port.path === path);
  const better = lasting?.byId[0] ?? lasting?.byPath[0];
  return better === undefined ? '' : `write ${better} instead: ${path} changes when cables move`;
}

function namesOf(listed: readonly ListedPort[]): string {
  if (listed.length === 0) return 'nothing';
  return listed.map((port) => port.byId[0] ?? port.byPath[0] ?? port.path).join(', ');
}
