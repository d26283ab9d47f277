/**
 * The archive that a technician hands over when he asks for help: what the doctor found, and what it takes to understand
 * it, without a secret. What is in it is put together from what is known as harmless; no key, password or secret file is
 * opened, no environment and no log is copied, and a manifest says in words what there is.
 */
import { open, rm } from 'node:fs/promises';
import { arch, cpus, freemem, release, totalmem, uptime } from 'node:os';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { FILE_MODE } from '../../platform/durable-file.ts';
import { type TarFile, ustarOf } from '../../platform/ustar.ts';
import { packageVersion } from '../version.ts';
import { ENTRIES_MAX, newestTypes } from './bundle-entries.ts';
import { type KeptSettings, keepSettings, WITHHELD } from './bundle-settings.ts';
import { keepChecks, keepStatus, scrubber } from './bundle-words.ts';
import type { Examination } from './examine.ts';
import { rawOf } from './known-settings.ts';

/** A file beyond this is left out, and the manifest says so: the archive stays small enough for a mail. */
export const FILE_BYTES_MAX = 1_048_576;
const FOLDER = 'latchkey-support';

export interface BundleParts {
  readonly examination: Examination;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

export interface WrittenBundle {
  readonly path: string;
  readonly bytes: number;
  readonly files: readonly string[];
}

interface Part {
  readonly name: string;
  readonly about: string;
  readonly content: unknown;
}

/** Writes a new file, mode 0600. Rejects with OUTPUT_UNWRITABLE where something is already, or nothing can be made. */
export async function writeBundle(path: string, parts: BundleParts): Promise<WrittenBundle> {
  const handle = await open(path, 'wx', FILE_MODE).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'EEXIST'
        ? `${path} is there already, and is not overwritten: name another file`
        : messageOf(error);
    throw new LatchkeyError('OUTPUT_UNWRITABLE', why, { cause: error });
  });
  try {
    await handle.chmod(FILE_MODE);
    const files = await bundleFiles(parts);
    const bytes = gzipSync(ustarOf(files, Math.floor(parts.nowMs / 1_000)));
    await handle.writeFile(bytes);
    await handle.sync();
    return { path: resolve(path), bytes: bytes.length, files: files.map(({ name }) => name) };
  } catch (error) {
    await rm(path, { force: true });
    if (error instanceof LatchkeyError) throw error;
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
  } finally {
    await handle.close();
  }
}

export async function bundleFiles({ examination, signal, nowMs }: BundleParts): Promise<readonly TarFile[]> {
  const { checks, known, status } = examination;
  const kept = keepSettings(known.text === undefined ? undefined : rawOf(known.text));
  const scrub = scrubber(kept.withheld);
  const found: Part[] = [
    { name: 'about.json', about: 'version, platform and time', content: aboutOf(nowMs) },
    {
      name: 'doctor.json',
      about: 'what "latchkey doctor" found, with remedies',
      content: { checks: keepChecks(checks, known, kept, scrub) },
    },
    {
      name: 'settings.json',
      about: `the settings as far as they are known to be harmless: numbers, names, paths of files (never what is in them), hosts; "${WITHHELD}" stands for the rest`,
      content: known.text === undefined ? { not_read: scrub(known.unreadable ?? '') } : kept.settings,
    },
    {
      name: 'entries.json',
      about: `types of the newest ${ENTRIES_MAX} entries of the journal, and their counts: no parcels, no codes, no times`,
      content: keepEntries(await newestTypes(known, status !== undefined, signal), scrub),
    },
  ];
  if (status !== undefined) {
    const { metrics, ...rest } = status;
    found.push(
      { name: 'status.json', about: 'the status of the running gateway', content: keepStatus(rest, scrub) },
      { name: 'metrics.json', about: 'its counters and gauges', content: keepStatus(metrics, scrub) },
    );
  }
  const files = found.map(({ name, about, content }) => {
    const bytes = utf8(`${JSON.stringify(content, undefined, 2)}\n`);
    return { name, about, bytes, isIn: bytes.length <= FILE_BYTES_MAX };
  });
  const manifest = utf8(manifestOf(files, kept, status !== undefined));
  const all = [{ name: 'MANIFEST.txt', bytes: manifest }, ...files.filter(({ isIn }) => isIn)];
  return all.map(({ name, bytes }) => ({ name: `${FOLDER}/${name}`, bytes }));
}

function keepEntries(entries: Awaited<ReturnType<typeof newestTypes>>, scrub: (text: string) => string): unknown {
  return 'not_read' in entries ? { not_read: scrub(entries.not_read) } : entries;
}

function aboutOf(nowMs: number): unknown {
  return {
    made_at: new Date(nowMs).toISOString(),
    latchkey: packageVersion(),
    node: process.version,
    platform: process.platform,
    arch: arch(),
    kernel: release(),
    user: process.getuid?.(),
    cpus: cpus().length,
    memory_bytes: totalmem(),
    memory_free_bytes: freemem(),
    machine_up_s: Math.round(uptime()),
  };
}

function manifestOf(
  files: readonly {
    readonly name: string;
    readonly about: string;
    readonly bytes: Uint8Array;
    readonly isIn: boolean;
  }[],
  { withheldAt }: KeptSettings,
  isRunning: boolean,
): string {
  const rows = files.map(({ name, about, bytes, isIn }) =>
    isIn
      ? `${name} (${bytes.length} bytes): ${about}.`
      : `${name}: left out, since it would be ${bytes.length} bytes and ${FILE_BYTES_MAX} are the most.`,
  );
  return [
    'Latchkey support archive. Each file is text: look before you hand it over.',
    '',
    ...rows,
    ...(isRunning ? [] : ['No gateway answered: there is no status.json and no metrics.json.']),
    '',
    'Not in it: keys, passwords, authenticator secrets and the files that hold them; parcels, codes and photos;',
    'logs and environment of any process. Names of devices, compartments, files, hosts and of the people who may open',
    'doors are in it, as the settings have them.',
    '',
    withheldAt.length === 0 ? 'Nothing of the settings was withheld.' : 'Withheld of the settings, by place:',
    ...withheldAt.map((place) => `  ${place}`),
    '',
  ].join('\n');
}
