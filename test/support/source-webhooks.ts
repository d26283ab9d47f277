/**
 * Webhooks as declared sources send them, and the settings of those sources, for tests: signed, borne by a token, or
 * damaged on the way.
 */
import { createHmac } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { utf8 } from '../../src/base/bytes.ts';
import { type SourceSettings, sourcesSchema } from '../../src/risk/sources/settings.ts';
import { mutate, type Random } from './mutate.ts';
import type { TempDir } from './temp-dir.ts';

export const NOW_MS = Date.UTC(2026, 10, 22, 12);
export const NOW_S = NOW_MS / 1_000;
const SECRET = Buffer.alloc(32, 7);
export const TEXT_SECRET = 'a secret of thirty-two characters';

function secretFile(dir: TempDir, name: string, text: string): string {
  const path = dir.file(name);
  writeFileSync(path, `${text}\n`);
  chmodSync(path, 0o600);
  return path;
}

/** Their secrets lie in files of `dir`. */
export function sourceSettings(dir: TempDir): readonly SourceSettings[] {
  const standard = {
    type: 'standard',
    secret_files: [
      secretFile(dir, 'next', `whsec_${Buffer.alloc(32, 8).toString('base64')}`),
      secretFile(dir, 'now', `whsec_${SECRET.toString('base64')}`),
    ],
  };
  const hmac = {
    type: 'hmac',
    secret_files: [secretFile(dir, 'text', TEXT_SECRET)],
    signature_header: 'x-signature',
    timestamp_header: 'x-timestamp',
    prefix: 'sha256=',
  };
  return sourcesSchema.parse([
    { name: 'carrier-1', kind: 'carrier', auth: standard },
    { name: 'merchant-1', kind: 'merchant', auth: standard },
    { name: 'psp-1', kind: 'payment', auth: standard },
    { name: 'bank-1', kind: 'chargeback', auth: standard },
    { name: 'wms-1', kind: 'warehouse', auth: hmac },
    {
      name: 'wms-2',
      kind: 'warehouse',
      auth: { type: 'bearer', token_files: [secretFile(dir, 'token', TEXT_SECRET)] },
    },
  ]);
}

export interface Webhook {
  readonly source: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface Sent {
  readonly id?: string;
  readonly atS?: number;
  readonly occurred?: string;
}

export function sentBy({ source, headers, body }: Webhook): readonly [string, Headers, Uint8Array] {
  return [source, headers, body];
}

let ids = 0;
export function bodyOf(
  type: string,
  data: object,
  { occurred = new Date(NOW_MS).toISOString() }: Sent = {},
  id?: string,
) {
  return utf8(JSON.stringify({ ...(id !== undefined && { id }), type, timestamp: occurred, data }));
}

export function signedRaw(source: string, body: Uint8Array, { id, atS = NOW_S }: Sent = {}): Webhook {
  ids += 1;
  const eventId = id ?? `evt_${ids}`;
  const mac = createHmac('sha256', SECRET).update(`${eventId}.${atS}.`).update(body).digest('base64');
  const headers = new Headers({
    'webhook-id': eventId,
    'webhook-timestamp': String(atS),
    'webhook-signature': `v1a,${'A'.repeat(86)}== v1,${mac}`,
  });
  return { source, headers, body };
}

export function signed(source: string, type: string, data: object, sent: Sent = {}): Webhook {
  return signedRaw(source, bodyOf(type, data, sent), sent);
}

export function hmacSigned(type: string, data: object, sent: Sent = {}): Webhook {
  ids += 1;
  const body = bodyOf(type, data, sent, sent.id ?? `wms_${ids}`);
  const atS = sent.atS ?? NOW_S;
  const mac = createHmac('sha256', TEXT_SECRET).update(`${atS}.`).update(body).digest('hex');
  return {
    source: 'wms-1',
    headers: new Headers({ 'x-signature': `sha256=${mac}`, 'x-timestamp': String(atS) }),
    body,
  };
}

export function borne(type: string, data: object): Webhook {
  ids += 1;
  const body = bodyOf(type, data, {}, `wms_${ids}`);
  return {
    source: 'wms-2',
    headers: new Headers({ authorization: `Bearer ${TEXT_SECRET.replaceAll(' ', '_')}` }),
    body,
  };
}

/** Flip, cut, splice, repeat in the body; headers taken away, changed, put in another order. */
export function damaged(random: Random, { source, headers, body }: Webhook): Webhook {
  const others = [utf8('{"type":"delivered","data":{}}'), body];
  const entries = [...headers.entries()];
  switch (random.below(6)) {
    case 0:
      return { source, body, headers: new Headers(entries.reverse()) };
    case 1: {
      entries.splice(random.below(entries.length), 1);
      return { source, body, headers: new Headers(entries) };
    }
    case 2: {
      const at = random.below(entries.length);
      const [name, value] = entries[at] ?? ['x', ''];
      const text = Buffer.from(mutate(random, utf8(value), [utf8('v1,AAAA 17 ')])).toString('latin1');
      const sound = text.replace(/[^\x21-\x7e ]/g, '~').trim();
      entries[at] = [name, sound];
      return { source, body, headers: new Headers(entries) };
    }
    case 3: {
      const name = ['carrier-1', 'psp-1', 'wms-1', 'nobody'][random.below(4)] ?? source;
      return { source: name, body, headers };
    }
    default:
      return { source, headers, body: mutate(random, body, others) };
  }
}
