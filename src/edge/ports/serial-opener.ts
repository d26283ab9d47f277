/**
 * A serial line through `serialport` (node-serialport 13).
 *
 * Always in flowing mode: an unplug goes unnoticed without a reader. `hupcl: false`, because dropping DTR at close
 * resets some boards. `lock: true` takes flock(2) on the device's inode: it holds among processes of one system, for
 * root too and on pseudo-terminals, whatever name the device was opened by, and the kernel drops it with the process.
 * So no lock file of our own is needed. The kernel's buffers are flushed at open (tcflush in the library): what waited
 * there is lost, which is why a reopened port is a gap that the drivers report.
 */
import { stat } from 'node:fs/promises';
import type { SerialPort } from 'serialport';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Link, LinkEvents, LinkOpener } from './link.ts';
import type { SerialLinkSettings } from './settings.ts';

export function serialOpener(settings: SerialLinkSettings, baudDefault: number): LinkOpener {
  const baud = settings.baud ?? baudDefault;
  const target = `${settings.path} at ${baud} baud`;
  // Loaded where a line is wanted and nowhere else, and at once: an upgrade may replace the file under a running daemon.
  const library = import('serialport');
  // Awaited below; until then a failure must not count as unheard.
  library.catch(() => undefined);
  return {
    target,
    identity: () => identityOf(settings.path),
    async open(events, signal) {
      if ((await identityOf(settings.path)) === 'absent') {
        throw new LatchkeyError('PORT_UNAVAILABLE', `expected a serial device at ${settings.path}, found none`);
      }
      const { SerialPort } = await library;
      signal.throwIfAborted();
      // The path is resolved anew at each attempt: a by-id name follows its device to a new kernel name.
      const port = new SerialPort({
        path: settings.path,
        baudRate: baud,
        dataBits: settings.data_bits,
        parity: settings.parity,
        stopBits: settings.stop_bits,
        autoOpen: false,
        hupcl: false,
        lock: true,
      });
      // Errors reach us through callbacks and `close`; without a listener the event would end the process.
      port.on('error', () => undefined);
      await opened(port, target);
      const link = linkOf(port, events);
      if (signal.aborted) {
        await link.close();
        throw new LatchkeyError('PORT_UNAVAILABLE', `opening ${target} was given up`);
      }
      return link;
    },
  };
}

function opened(port: SerialPort, target: string): Promise<void> {
  return new Promise((resolve, reject) => {
    port.open((error) => (error ? reject(openFailure(error, target)) : resolve()));
  });
}

function openFailure(error: Error, target: string): LatchkeyError {
  const busy = /cannot lock port|resource busy/i.test(error.message);
  const found = busy ? 'it is held by another process' : error.message;
  return new LatchkeyError(busy ? 'PORT_BUSY' : 'PORT_UNAVAILABLE', `cannot open ${target}: ${found}`, {
    cause: error,
  });
}

function linkOf(port: SerialPort, events: LinkEvents): Link {
  let closing = false;
  port.on('close', (error: Error | null | undefined) => {
    if (!closing) events.lost(`the device was unplugged (${error?.message ?? 'closed'})`);
  });
  port.on('data', (chunk: Buffer) => {
    if (!closing) events.bytes(new Uint8Array(chunk));
  });
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        port.write(bytes, (error) => {
          if (error) return reject(error);
          port.drain((failure) => (failure ? reject(failure) : resolve()));
        });
      }),
    close() {
      closing = true;
      return new Promise((resolve) => {
        if (!port.isOpen) return resolve();
        port.close(() => resolve());
      });
    },
  };
}

/** Device and inode numbers of what the path leads to now; `absent` when it leads nowhere. */
async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, rdev } = await stat(path);
    return `${dev}:${ino}:${rdev}`;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENXIO' ? 'absent' : `unreadable ${messageOf(error)}`;
  }
}
