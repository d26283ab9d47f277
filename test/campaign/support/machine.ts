/**
 * A virtual machine with a Debian kernel, a simulated TPM behind its TIS interface, and Node as its first process: the one
 * way to a real /dev/tpmrm0 where the host has no TPM.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Child } from '../../../simulators/demo/child-process.ts';
import { openSimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { until } from '../../support/until.ts';

const KERNELS = '/boot';
const MODE = { directory: 0o040755, file: 0o100755, console: 0o020600 } as const;
const BOOT_LIMIT_MS = 240_000;

/** Debian's kernel for virtual machines: TPM, TIS and serial console are built in. LATCHKEY_TEST_KERNEL names another. */
export function findKernel(): string {
  const given = process.env['LATCHKEY_TEST_KERNEL'];
  if (given !== undefined) return given;
  const names = readdirSync(KERNELS).filter((name) => /^vmlinuz-.*-cloud-amd64$/.test(name));
  const newest = names.sort().at(-1);
  if (newest === undefined) throw new Error(`no vmlinuz-*-cloud-amd64 in ${KERNELS}: install linux-image-cloud-amd64`);
  return join(KERNELS, newest);
}

/** One entry of a cpio archive in the format "newc" (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). */
function entry(name: string, mode: number, bytes: Uint8Array, device: readonly [number, number] = [0, 0]): Uint8Array {
  const fields = [0, mode, 0, 0, 1, 0, bytes.length, 0, 0, ...device, name.length + 1, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(head, 'latin1')), padded(Buffer.from(bytes))]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

/** Files of the host, at the same places unless said otherwise, with the folders above them. */
class Initramfs {
  readonly #entries: Uint8Array[] = [entry('dev', MODE.directory, new Uint8Array(0))];
  readonly #known = new Set<string>(['dev']);

  constructor() {
    this.#entries.push(entry('dev/console', MODE.console, new Uint8Array(0), [5, 1]));
  }

  file(source: string, target: string = source): void {
    const name = target.replace(/^\//, '');
    if (this.#known.has(name)) return;
    this.#directory(dirname(name));
    this.#known.add(name);
    this.#entries.push(entry(name, MODE.file, readFileSync(source)));
  }

  tree(source: string, target: string, wanted: (name: string) => boolean): void {
    for (const name of readdirSync(source)) {
      const path = join(source, name);
      const isDirectory = lstatSync(path).isDirectory();
      if (isDirectory) this.tree(path, join(target, name), wanted);
      else if (wanted(name) && statSync(path).isFile()) this.file(path, join(target, name));
    }
  }

  /** A program, with the libraries that ldd names, each under the name by which it is looked for. */
  program(source: string, target: string): void {
    this.file(realpathSync(source), target);
    const listed = execFileSync('ldd', [realpathSync(source)], { encoding: 'utf8' });
    for (const [, path = ''] of listed.matchAll(/(\/\S+) \(0x/g)) this.file(path);
  }

  bytes(): Uint8Array {
    return Buffer.concat([...this.#entries, entry('TRAILER!!!', 0, new Uint8Array(0))]);
  }

  #directory(name: string): void {
    if (name === '.' || this.#known.has(name)) return;
    this.#directory(dirname(name));
    this.#known.add(name);
    this.#entries.push(entry(name, MODE.directory, new Uint8Array(0)));
  }
}

/** The built project with the packages that its TPM rooms need, and Node to run it. */
function initramfs(built: string): Uint8Array {
  const made = new Initramfs();
  made.program(process.execPath, '/bin/node');
  made.program('/bin/mount', '/bin/mount');
  made.file(join(import.meta.dirname, '../../../package.json'), '/app/package.json');
  for (const part of ['src', 'test/support']) {
    made.tree(join(built, part), join('/app', part), (name) => name.endsWith('.js'));
  }
  const packages = join(import.meta.dirname, '../../../node_modules');
  for (const name of ['zod', '@noble']) {
    made.tree(join(packages, name), join('/app/node_modules', name), (file) => /\.(?:js|json)$/.test(file));
  }
  return made.bytes();
}

/** What the guest printed as its result. `built` is the folder that the compiler wrote to. */
export async function runGuest(dir: string, built: string): Promise<Readonly<Record<string, unknown>>> {
  const guest = 'test/support/kernel-guest.js';
  if (!existsSync(join(built, guest))) throw new Error(`${guest} is not in ${built}: run "npm run build"`);
  const image = join(dir, 'initramfs.cpio');
  writeFileSync(image, initramfs(built));
  const tpm = await openSimulatedTpm({ dir: join(dir, 'chip') });
  await tpm.stop();
  const control = join(dir, 'ctrl.sock');
  const state = `dir=${join(dir, 'chip', 'state')}`;
  const chip = new Child('swtpm', ['socket', '--tpm2', '--tpmstate', state, '--ctrl', `type=unixio,path=${control}`]);
  const machine = await until('swtpm listens', () => existsSync(control)).then(() =>
    startMachine(image, control, guest),
  );
  try {
    const line = await machine.line('GUEST {', BOOT_LIMIT_MS);
    return JSON.parse(line.slice(line.indexOf('{'))) as Readonly<Record<string, unknown>>;
  } finally {
    await machine.stop('SIGKILL').catch(() => undefined);
    await chip.stop('SIGTERM').catch(() => undefined);
    rmSync(image, { force: true });
  }
}

function startMachine(image: string, control: string, guest: string): Child {
  const command = `console=ttyS0 quiet panic=-1 rdinit=/bin/node -- /app/${guest}`;
  return new Child('qemu-system-x86_64', [
    // Emulated: KVM may be there and yet not work inside of another virtual machine.
    ...['-accel', 'tcg', '-m', '1024', '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-kernel', findKernel(), '-initrd', image, '-append', command, '-serial', 'stdio'],
    ...['-chardev', `socket,id=chip,path=${control}`, '-tpmdev', 'emulator,id=tpm0,chardev=chip'],
    ...['-device', 'tpm-tis,tpmdev=tpm0'],
  ]);
}
