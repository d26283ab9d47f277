/** `latchkey ports`: what could be opened, under names that survive re-plugging. */
import { listPorts } from '../../edge/ports/list-ports.ts';
import type { CommandRun } from '../command.ts';

export const portsCommand: CommandRun = async (args, io) => {
  const ports = await listPorts();
  if (args.flag('json')) {
    io.out(JSON.stringify({ ports }));
    return 0;
  }
  if (ports.length === 0) {
    io.out('No serial ports found. Is the adapter plugged in? "dmesg | tail" shows whether the kernel saw it.');
    return 0;
  }
  for (const port of ports) {
    io.out(port.path);
    for (const [label, value] of Object.entries(port)) {
      if (label !== 'path' && value !== undefined) io.out(`  ${label.padEnd(14)} ${value}`);
    }
  }
  io.out('Use the by-id name in the settings where there is one: /dev/ttyUSB numbers change when cables move.');
  return 0;
};
