/**
 * The count after the play: everything of one moment, after the daemon stopped cleanly. Read from files, and judged by
 * `latchkey verify`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../src/base/assert.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import type { EvidenceCrypto } from '../../src/evidence/crypto.ts';
import { verifyCosignature } from '../../src/evidence/log/cosignature.ts';
import { parseVkey, type Vkey, verifyLogNote } from '../../src/evidence/log/note.ts';
import { parseOrigin } from '../../src/evidence/log/origin.ts';
import { gatewayRoot, receiptName } from '../../src/evidence/wire/topics.ts';
import { type Exported, readExport } from './exported.ts';
import { latchkey, latchkeyDone } from './product.ts';
import { readStored, sameAtBothEnds } from './stored.ts';
import { flipOneByte, removeEntry, type Tampering } from './tamper.ts';

export interface FindingsInput {
  readonly crypto: EvidenceCrypto;
  readonly dir: string;
  readonly riskDir: string;
  readonly gatewayConfig: string;
  readonly policy: string;
  readonly vkey: string;
  readonly witnessVkey: string;
  /** Retained messages of the broker. */
  readonly retained: ReadonlyMap<string, Uint8Array>;
  readonly prefix: string;
}

export interface Refusal extends Tampering {
  readonly refused: boolean;
  /** What `latchkey verify` said. */
  readonly said: string;
}

/** What the demo reads in `latchkey verify --json`. */
interface Said {
  readonly logs: readonly {
    readonly level: string;
    readonly whyNotHigher: readonly string[];
    readonly tail: number;
    readonly anchors: { readonly found: number; readonly verified: number; readonly size: number };
  }[];
  readonly outcome: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly at?: number;
}

export interface Findings {
  readonly exported: Exported;
  readonly exportFile: string;
  readonly receiptFile: string;
  readonly events: number;
  readonly delivered: number;
  readonly receipted: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly sameBytes: number;
  readonly receiptedAtS: number;
  readonly verified: boolean;
  readonly assurance: string;
  readonly whyNotHigher: readonly string[];
  /** Anchors that verified, the size of the newest, and entries above it. */
  readonly anchors: { readonly verified: number; readonly size: number; readonly tail: number };
  readonly refusals: readonly Refusal[];
}

const VERIFY_LIMIT_MS = 60_000;

export async function findOut(input: FindingsInput): Promise<Findings> {
  const vkey = vkeyOf(input.vkey);
  const exportFile = join(input.dir, 'export.ndjson');
  await latchkeyDone(['journal', 'export', '--config', input.gatewayConfig, '--log', vkey.name, '--out', exportFile]);
  const exported = readExport(exportFile);
  const receiptFile = join(input.dir, 'receipt.note');
  const receipt = readReceipt(input, vkey, receiptFile);

  const [stored, byPolicy, byKey, refusals] = await Promise.all([
    readStored(input.riskDir, vkey.name),
    latchkey(['verify', exportFile, '--policy', input.policy, '--json'], VERIFY_LIMIT_MS),
    latchkey(['verify', exportFile, '--vkey', input.vkey], VERIFY_LIMIT_MS),
    tryTampering(input, vkey, exported, exportFile),
  ]);
  const judged = present((JSON.parse(byPolicy.out) as Said).logs[0], 'a finding about the log');
  const events = exported.events.length;
  const delivered = exported.events.filter(({ event }) => stored.leaves.has(event.n)).length;
  const lines = exported.events.map(({ line, event }) => ({ n: event.n, line: present(exported.lines[line], 'line') }));
  return {
    exported,
    exportFile,
    receiptFile,
    events,
    delivered,
    receipted: receipt.size,
    lost: events - delivered,
    duplicates: stored.duplicates,
    sameBytes: sameAtBothEnds(stored, lines),
    receiptedAtS: receipt.timestampS,
    verified: byPolicy.code === 0 && byKey.code === 0 && exported.size === events,
    assurance: judged.level,
    whyNotHigher: judged.whyNotHigher,
    anchors: { verified: judged.anchors.verified, size: judged.anchors.size, tail: judged.tail },
    refusals,
  };
}

/** The receipt as the broker keeps it, put in a file once both its signatures hold. */
function readReceipt(
  input: FindingsInput,
  vkey: Vkey,
  file: string,
): { readonly size: number; readonly timestampS: number } {
  const { crypto } = input;
  const witness = vkeyOf(input.witnessVkey);
  const origin = parseOrigin(vkey.name);
  if (!origin.ok) throw new LatchkeyError('REFUTED', `the verifier key names no log: ${vkey.name}`);
  const topic = `${gatewayRoot(crypto, input.prefix, origin.value.gateway)}/${receiptName(origin.value, witness.keyId)}`;
  const bytes = input.retained.get(topic);
  if (bytes === undefined) throw new LatchkeyError('REFUTED', `the broker keeps no receipt at ${topic}`);
  const note = verifyLogNote(crypto, bytes, vkey);
  if (!note.ok) throw new LatchkeyError('REFUTED', `the receipt's note: ${note.detail} (${note.reason})`);
  const cosigned = verifyCosignature(crypto, note.value.note, witness);
  if (!cosigned.ok) throw new LatchkeyError('REFUTED', `the receipt's cosignature: ${cosigned.detail}`);
  writeFileSync(file, bytes);
  return { size: note.value.checkpoint.size, timestampS: cosigned.value.timestampS };
}

async function tryTampering(
  input: FindingsInput,
  vkey: Vkey,
  exported: Exported,
  exportFile: string,
): Promise<readonly Refusal[]> {
  const attempts = [
    flipOneByte(exportFile, exported, join(input.dir, 'tampered-byte.ndjson')),
    removeEntry(exported, vkey, join(input.dir, 'tampered-entry.ndjson')),
  ];
  const refusals: Refusal[] = [];
  for (const attempt of attempts) {
    const { code, out } = await latchkey(['verify', attempt.file, '--vkey', input.vkey, '--json'], VERIFY_LIMIT_MS);
    const { outcome, reason, detail, at } = JSON.parse(out) as Said;
    refusals.push({ ...attempt, refused: code === 1, said: `${outcome}, ${reason}: ${detail} (batch ${at})` });
  }
  return refusals;
}

function vkeyOf(text: string): Vkey {
  const vkey = parseVkey(text);
  if (!vkey.ok) throw new LatchkeyError('REFUTED', `not a verifier key: ${vkey.detail}`);
  return vkey.value;
}
