/** `latchkey status`: how the running gateway fares. */
import { ERRORS } from '../../base/errors.ts';
import type { GatewayStatus } from '../../edge/gateway/status.ts';
import type { CommandRun } from '../command.ts';
import { askGateway, gatewaySettings } from '../locate.ts';
import { terminalOf, watchStatus } from '../watch-status.ts';

export const statusCommand: CommandRun = async (args, io) => {
  if (args.flag('watch')) {
    const settings = gatewaySettings(args);
    const ask = () => askGateway(settings, io, { verb: 'status' }) as Promise<GatewayStatus>;
    return watchStatus({
      ask,
      describe: describeStatus,
      json: args.flag('json'),
      io,
      screen: terminalOf(process.stdout),
    });
  }
  const status = (await askGateway(gatewaySettings(args), io, { verb: 'status' })) as GatewayStatus;
  if (args.flag('json')) io.out(JSON.stringify(status));
  else for (const line of describeStatus(status)) io.out(line);
  return status.healthy ? 0 : ERRORS.SOCKET_REFUSED.exitCode;
};

export function describeStatus(status: GatewayStatus): readonly string[] {
  const { uplink, clock } = status;
  const error = clock.err_ms === undefined ? '' : `, within ${clock.err_ms} ms`;
  const receipt =
    uplink.receiptAgeMs === undefined ? 'none in this run' : `${(uplink.receiptAgeMs / 1_000).toFixed(1)} s ago`;
  return [
    `${status.gateway}: ${status.healthy ? 'healthy' : 'NOT healthy'}, latchkey ${status.version}, up ${spanText(status.up_ms)}`,
    ...status.problems.map((problem) => `  ! ${problem}`),
    ...status.notices.map((notice) => `  - ${notice}`),
    ...describeAssurance(status),
    ...describeTelling(status),
    ...describeLog(status.log),
    `uplink     ${uplink.connected ? 'connected' : 'not connected'}, ${uplink.phase}; newest receipt ${receipt}`,
    `clock      ${clock.src}${error}`,
    ...describeAccess(status),
    ...status.lines.flatMap((line) => [
      `port       ${line.port}: ${line.state}${line.state === 'open' ? '' : ` (${line.reason})`}${describePace(line)}`,
      ...line.devices.flatMap(describeDevice),
    ]),
  ];
}

type Line = GatewayStatus['lines'][number];

/** How often the boards are asked, and how long a door can go unseen. */
function describePace({ cycleMs, unseenMaxMs }: Line): string {
  if (cycleMs === undefined || unseenMaxMs === undefined) return '';
  return `; all boards in ${cycleMs} ms, a door unseen for at most ${unseenMaxMs} ms`;
}

/** Of what a device counts itself: what should not be. */
const TROUBLES: ReadonlySet<string> = new Set([
  'damaged',
  'forged',
  'replayed',
  'skipped',
  'refused',
  'events_dropped',
]);

function describeDevice({
  name,
  driver,
  state,
  reason,
  polls,
  remedy,
  counters,
}: Line['devices'][number]): readonly string[] {
  const rate = polls === undefined ? '' : `; ${polls.recentFailuresPercent} % of the last questions failed`;
  const worst =
    polls === undefined || polls.unseenWorstMs === 0 ? '' : `, unseen for ${polls.unseenWorstMs} ms at most`;
  const own = Object.entries(counters ?? {}).filter(([what, times]) => TROUBLES.has(what) && times > 0);
  return [
    `           ${name} (${driver}): ${state} ${reason}${rate}${worst}`,
    ...(own.length === 0
      ? []
      : [`             it counts ${own.map(([what, times]) => `${what} ${times}`).join(', ')}`]),
    ...(remedy === undefined ? [] : [`             ${remedy}`]),
  ];
}

function describeAssurance({ assurance, tpm }: GatewayStatus): readonly string[] {
  if (tpm === undefined) return [`assurance  ${assurance} (software key: what is proved rests on this box's disk)`];
  const { anchors, attested, policy, target } = tpm;
  const { state, counter, made, tokens, lastSize, lastAgoMs, dueInMs, lifeYears, lifeYearsAtLeast } = anchors;
  const last = lastSize === undefined ? 'none in this run' : `size ${lastSize}, ${spanText(lastAgoMs ?? 0)} ago`;
  const next = dueInMs === undefined ? '' : `; next in ${spanText(dueInMs)}`;
  const pace = lifeYears === undefined ? '' : `, ${lifeYears} years at the pace of this run`;
  const bound = policy === 'local' ? 'bound to this TPM, to no software' : 'bound to approved software';
  return [
    `assurance  ${assurance}: log keys in the TPM (${bound}); which level that is, its enrolment says`,
    `tpm        ${target}: ${state}; this start is ${attested ? 'attested' : 'NOT attested yet'}`,
    `anchors    ${made} in this run; last: ${last}${next}; counter ${counter ?? 'not read yet'}`,
    `           ${tokens} increments saved; the TPM lasts ${lifeYearsAtLeast} years at least${pace}`,
  ];
}

/** Counts, never codes. */
function describeAccess({ access, custody }: GatewayStatus): readonly string[] {
  const { assignments, windows } = custody.expected;
  const expected = `${assignments} assignments, ${windows.length} maintenance windows`;
  if (access === undefined) return assignments + windows.length === 0 ? [] : [`access     no codes; ${expected}`];
  const locked = access.devices.filter(({ locked_s: lockedS }) => lockedS > 0);
  const locks = locked.map(({ locked_s: lockedS, name }) => `; ${name} is locked for ${lockedS} s`).join('');
  return [`access     ${access.live} of ${access.credentials} credentials live; ${expected}${locks}`];
}

function describeTelling({ enrolment }: GatewayStatus): readonly string[] {
  if (enrolment === undefined) return [];
  const { service, state, waiting, reason, nextInMs } = enrolment;
  if (waiting === 0) return [`enrolment  ${service}: knows all logs`];
  const next = nextInMs === undefined ? '' : `; next in ${spanText(nextInMs)}`;
  return [
    `enrolment  ${service}: ${state}, ${waiting} successor statements not taken${next}`,
    ...(reason === undefined ? [] : [`           ${reason}`]),
  ];
}

function describeLog(log: GatewayStatus['log']): readonly string[] {
  const { origin, entries, receipted, boot, vkey } = log;
  return [
    `log        ${origin}`,
    `           ${entries} entries, ${receipted} receipted, ${entries - receipted} waiting; start ${boot}`,
    `           ${vkey}`,
  ];
}

function spanText(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const days = Math.floor(seconds / 86_400);
  const clock = new Date((seconds % 86_400) * 1_000).toISOString().slice(11, 19);
  return days > 0 ? `${days} d ${clock}` : clock;
}
