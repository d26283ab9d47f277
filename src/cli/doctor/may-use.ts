/** Whether this user may use a device or file, and what lets the user of the daemon use it. */
import { constants, type Stats } from 'node:fs';
import { access, readFile } from 'node:fs/promises';

const GROUP_MAY_USE = 0o060;

export interface DeviceRule {
  /** To whom distributions give such devices. */
  readonly group: string;
  /** What a udev rule names them by. */
  readonly match: string;
}

export const SERIAL_RULE: DeviceRule = { group: 'dialout', match: 'SUBSYSTEM=="tty", KERNEL=="tty[A-Z]*"' };
export const TPM_RULE: DeviceRule = { group: 'tss', match: 'KERNEL=="tpmrm[0-9]*"' };

/** By the real user, as whom a daemon runs. */
export function mayUse(path: string, mode = constants.R_OK | constants.W_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

export function thisUser(): string {
  return `user ${process.getuid?.() ?? 0}`;
}

/** The group of the device where that may use it; otherwise a rule that gives it to one, since `chmod` is gone at the next plug. */
export async function wayIn({ gid, mode }: Pick<Stats, 'gid' | 'mode'>, rule: DeviceRule): Promise<string> {
  const join = (group: string): string =>
    `put the user of the daemon into the group ${group} ("usermod -aG ${group} latchkey") and start it anew`;
  if (gid !== 0 && (mode & GROUP_MAY_USE) === GROUP_MAY_USE) return join(await groupName(gid));
  const line = `${rule.match}, GROUP="${rule.group}", MODE="0660"`;
  const file = '/etc/udev/rules.d/60-latchkey.rules';
  return `no group may use it: write ${line} into ${file}, say "udevadm control --reload" and "udevadm trigger", and ${join(rule.group)}`;
}

async function groupName(gid: number): Promise<string> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  const row = groups.split('\n').find((line) => line.split(':')[2] === String(gid));
  return row?.split(':')[0] ?? String(gid);
}
