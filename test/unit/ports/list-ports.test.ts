import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listPorts } from '../../../src/edge/ports/list-ports.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'latchkey-ports-'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}

test('lists real ports under all their names, and leaves out consoles and empty slots', async () => {
  const usb = 'sys/devices/usb1/1-1';
  write(`${usb}/idVendor`, '1a86\n');
  write(`${usb}/idProduct`, '7523\n');
  write(`${usb}/product`, 'USB\x1b[31m Serial\n');
  mkdirSync(join(root, usb, '1-1:1.0/ttyUSB0'), { recursive: true });
  link(`${usb}/1-1:1.0/ttyUSB0/driver`, '/sys/bus/usb-serial/drivers/ch341-uart');
  link('sys/class/tty/ttyUSB0/device', join(root, usb, '1-1:1.0/ttyUSB0'));
  link('sys/class/tty/ttyS0/device/driver', '/sys/bus/platform/drivers/serial8250');
  write('sys/class/tty/ttyS0/type', '0\n');
  link('sys/class/tty/ttyS1/device/driver', '/sys/bus/platform/drivers/serial8250');
  write('sys/class/tty/ttyS1/type', '4\n');
  mkdirSync(join(root, 'sys/class/tty/tty1'), { recursive: true });
  link('dev/serial/by-id/usb-1a86_USB_Serial-if00-port0', '../../ttyUSB0');
  link('dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0', '../../ttyUSB0');
  link('dev/serial/by-path/pci-0000:00:14.0-usbv2-0:1:1.0-port0', '../../ttyUSB0');
  const ports = await listPorts({ dev: join(root, 'dev'), sys: join(root, 'sys') });
  expect(ports).toEqual([
    { path: join(root, 'dev/ttyS1'), byId: [], byPath: [], driver: 'serial8250' },
    {
      path: join(root, 'dev/ttyUSB0'),
      byId: [join(root, 'dev/serial/by-id/usb-1a86_USB_Serial-if00-port0')],
      byPath: [
        join(root, 'dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0'),
        join(root, 'dev/serial/by-path/pci-0000:00:14.0-usbv2-0:1:1.0-port0'),
      ],
      driver: 'ch341-uart',
      vendorId: '1a86',
      productId: '7523',
      product: 'USB[31m Serial',
    },
  ]);
});

test('a machine without serial ports has none', async () => {
  expect(await listPorts({ dev: join(root, 'dev'), sys: join(root, 'sys') })).toEqual([]);
});
