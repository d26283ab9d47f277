/**
 * Which serial ports this machine has, under every name they answer to. Read from sysfs and `/dev/serial`, since
 * `SerialPort.list` needs `udevadm`, which slim systems lack.
 */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface ListedPort {
  /** Kernel name, which changes with the order of plugging in. */
  readonly path: string;
  /** Names under `/dev/serial/by-id`, made of maker, model and serial number. */
  readonly byId: readonly string[];
  /** Names under `/dev/serial/by-path`, made of the socket that it is plugged into. */
  readonly byPath: readonly string[];
  readonly driver?: string;
  /** USB ids, four hex digits. */
  readonly vendorId?: string;
  readonly productId?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serialNumber?: string;
}

export interface ListRoots {
  readonly dev: string;
  readonly sys: string;
}

const USB_DEPTH_MAX = 8;
const TEXT_MAX = 128;

/** Sorted by path. What cannot be read is left out: this is for people who look for a cable. */
export async function listPorts(roots: ListRoots = { dev: '/dev', sys: '/sys' }): Promise<readonly ListedPort[]> {
  const byId = await namesIn(join(roots.dev, 'serial/by-id'));
  const byPath = await namesIn(join(roots.dev, 'serial/by-path'));
  const ports: ListedPort[] = [];
  for (const name of (await entries(join(roots.sys, 'class/tty'))).sort()) {
    const driver = await driverOf(join(roots.sys, 'class/tty', name));
    if (driver === undefined) continue;
    ports.push({
      path: join(roots.dev, name),
      byId: byId.get(name) ?? [],
      byPath: byPath.get(name) ?? [],
      driver,
      ...(await usbOf(join(roots.sys, 'class/tty', name, 'device'))),
    });
  }
  return ports;
}

/** Undefined for consoles, pseudo-terminals and 8250 slots without a chip. */
async function driverOf(folder: string): Promise<string | undefined> {
  const driver = await readlink(join(folder, 'device/driver')).catch(() => undefined);
  if (driver === undefined) return undefined;
  // PORT_UNKNOWN: the slot exists, the chip does not.
  if ((await textOf(join(folder, 'type'))) === '0') return undefined;
  return basename(driver);
}

/** USB attributes stand at the device above the interface, some folders up. */
async function usbOf(device: string): Promise<Partial<ListedPort>> {
  let folder = await realpath(device).catch(() => undefined);
  for (let depth = 0; folder !== undefined && depth < USB_DEPTH_MAX; depth += 1) {
    const vendorId = await textOf(join(folder, 'idVendor'));
    if (vendorId !== undefined) {
      const optional = {
        productId: await textOf(join(folder, 'idProduct')),
        manufacturer: await textOf(join(folder, 'manufacturer')),
        product: await textOf(join(folder, 'product')),
        serialNumber: await textOf(join(folder, 'serial')),
      };
      return { vendorId, ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) };
    }
    folder = dirname(folder);
  }
  return {};
}

async function namesIn(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = new Map<string, string[]>();
  for (const entry of (await entries(folder)).sort()) {
    const target = await readlink(join(folder, entry)).catch(() => undefined);
    if (target === undefined) continue;
    const known = names.get(basename(target));
    if (known === undefined) names.set(basename(target), [join(folder, entry)]);
    else known.push(join(folder, entry));
  }
  return names;
}

function entries(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** Device texts come from a plug: control bytes must not reach a terminal. */
async function textOf(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const clean = text
    ?.replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, TEXT_MAX);
  return clean === '' ? undefined : clean;
}
