/** `latchkey tail`: entries as they become durable. */

import { utf8 } from '../../base/bytes.ts';
import { tailOffline } from '../../edge/gateway/journal-tools.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { parseLeaf } from '../../evidence/event/leaf.ts';
import type { CommandRun } from '../command.ts';
import { askGateway, gatewaySettings, whenNoGateway } from '../locate.ts';

const LINES_DEFAULT = 10;

export const tailCommand: CommandRun = async (args, io) => {
  const json = args.flag('json');
  const follow = args.flag('follow');
  const settings = gatewaySettings(args);
  const lines = args.count('lines', LINES_DEFAULT);
  const print = (line: unknown): void => io.out(json ? String(line) : describeLeaf(String(line)));
  const asked = askGateway(settings, io, { verb: 'tail', args: { lines, follow }, endless: follow, onItem: print });
  // Nothing follows a journal in which nobody writes.
  const ask = follow ? asked : whenNoGateway(asked, () => tailOffline(settings.gateway.data_dir, lines, print));
  try {
    await ask;
  } catch (error) {
    // Whoever interrupts a following tail is done with it.
    if (!io.signal.aborted) throw error;
  }
  return 0;
};

/** `12  09:00:00.123  door.opened        board-1 A1   {"reading":1}` */
export function describeLeaf(line: string): string {
  const leaf = parseLeaf(utf8(line));
  if (!leaf.ok || leaf.value.kind === 'unknown_version') return line;
  const event: CustodyEvent = leaf.value.event;
  const place = [event.device, event.compartment].filter((name) => name !== undefined).join(' ');
  const parcel = event.parcel === undefined ? '' : ` parcel ${event.parcel.scheme}:${event.parcel.ref}`;
  const time = event.clock.src === 'none' ? 'clock unset ' : event.at.slice(11, 23);
  return `${String(event.n).padStart(6)}  ${time}  ${event.type.padEnd(22)} ${place}${parcel} ${JSON.stringify(readable(event))}`;
}

/** Without the signatures of a TPM, which fill the screen and say nothing to a person. */
function readable({ type, data }: CustodyEvent): CustodyEvent['data'] {
  if (type !== 'anchor.made' && type !== 'key.attested') return data;
  const { lines: _lines, root: _root, attest: _attest, signature: _signature, statement: _statement, ...rest } = data;
  return rest;
}
