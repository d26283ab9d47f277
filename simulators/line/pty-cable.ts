/**
 * A simulated device on a pseudo-terminal, behind a link that stays while the device name changes, like those below
 * /dev/serial/by-id.
 */
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Cable, CableListener } from './cable.ts';
import { openPty, type Pty } from './pty.ts';

export async function openPtyCable(link: string, listener: CableListener): Promise<Cable & { devicePath(): string }> {
  await mkdir(dirname(link), { recursive: true });
  let current: Pty | undefined;
  /** Opened before the old one is hung up, so that the kernel cannot give it the old one's number. */
  let next: Pty | undefined;
  let device = '';
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = queue.then(work);
    queue = turn.catch(() => undefined);
    return turn;
  };

  const plug = async (): Promise<void> => {
    if (current !== undefined) return;
    const pty = next ?? (await openPty());
    next = undefined;
    pty.listen((chunk) => {
      if (current === pty) listener(chunk);
    });
    current = pty;
    device = pty.path;
    await pointTo(link, pty.path);
  };
  const unplug = async (): Promise<void> => {
    const pty = current;
    if (pty === undefined) return;
    next ??= await openPty();
    current = undefined;
    await rm(link, { force: true });
    await pty.hangUp();
  };
  await inTurn(plug);

  return {
    address: link,
    get plugged() {
      return current !== undefined;
    },
    devicePath: () => device,
    send: (bytes) => current?.send(bytes),
    unplug: () => inTurn(unplug),
    plug: () => inTurn(plug),
    close: () =>
      inTurn(async () => {
        await rm(link, { force: true });
        const open = [current, next];
        current = undefined;
        next = undefined;
        await Promise.all(open.map((pty) => pty?.hangUp()));
      }),
  };
}

/** The link never points nowhere while the device is there: made aside, then put in place. */
async function pointTo(link: string, target: string): Promise<void> {
  const aside = `${link}.new`;
  await rm(aside, { force: true });
  await symlink(target, aside);
  await rename(aside, link);
}
