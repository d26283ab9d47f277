/** An entry as a line for a person. */
import { utf8 } from '../base/bytes.ts';
import type { CustodyEvent } from '../evidence/event/event.ts';
import { parseLeaf } from '../evidence/event/leaf.ts';

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
