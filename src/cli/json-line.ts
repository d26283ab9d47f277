/** What a command prints for programs: JSON in which bytes are padded base64, as everywhere in the formats. */
import { base64 } from '../base/bytes.ts';

export function jsonLine(value: unknown): string {
  return JSON.stringify(value, function replaced(this: unknown, name: string, given: unknown): unknown {
    // A Buffer makes an object of itself before it comes here: the member says what it was.
    const own: unknown = (this as Readonly<Record<string, unknown>>)[name];
    return own instanceof Uint8Array ? base64(own) : given;
  });
}
