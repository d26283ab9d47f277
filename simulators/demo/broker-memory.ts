/** The retained messages of a simulated broker in a file, so that they outlive its process, as those of a broker in the field do. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

const memorySchema = z.record(z.string(), z.base64());
const MODE = 0o600;

/** Topic to payload; nothing where there is no file, or one that cannot be read: gateways notice a broker that forgot. */
export function readBrokerMemory(path: string): Map<string, Uint8Array> {
  try {
    const parsed = memorySchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    const found = parsed.success ? Object.entries(parsed.data) : [];
    return new Map(found.map(([topic, text]) => [topic, Uint8Array.from(Buffer.from(text, 'base64'))]));
  } catch {
    return new Map();
  }
}

/**
 * The whole file or none: it survives the end of this process, and no power cut. What cannot be written is left as it was,
 * and gateways say at the next start that the broker forgot.
 */
export function writeBrokerMemory(path: string, retained: ReadonlyMap<string, Uint8Array>): void {
  const texts = [...retained].map(([topic, payload]) => [topic, Buffer.from(payload).toString('base64')]);
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(Object.fromEntries(texts))}\n`, { mode: MODE });
    renameSync(`${path}.new`, path);
  } catch {
    // A simulated broker on a full disk goes on.
  }
}
