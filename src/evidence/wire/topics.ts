/**
 * MQTT topics, content types and user properties (FORMAT.md section 7): spelled here and nowhere else.
 */
import { assert } from '../../base/assert.ts';
import { hex, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { BATCH_TYPE, type BatchHead } from '../batch/batch.ts';
import type { EvidenceCrypto } from '../crypto.ts';
import type { Origin } from '../log/origin.ts';

export const PREFIX_DEFAULT = 'latchkey';
export const BATCH_CONTENT_TYPE = BATCH_TYPE;
export const JSON_CONTENT_TYPE = 'application/json';
export const NOTE_CONTENT_TYPE = 'text/plain; charset=utf-8';
export const PARTITIONS = 64;

const PREFIX = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?:\/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}){0,7}$/;
const GATEWAY = /^[a-z0-9-]{1,64}$/;
const LOG_NAME = /^[1-9][0-9]{0,8}-[0-9a-f]{8}$/;
const KEY_ID = /^[0-9a-f]{8}$/;

export type TopicName = 'batch' | 'checkpoint' | 'enrolment' | 'status' | 'receipt' | 'request' | 'command' | 'reply';

/** How many levels follow the name: the log's `<number>-<tag>`, then the key id of a receipt. */
const LEVELS_AFTER = {
  batch: 0,
  checkpoint: 1,
  enrolment: 0,
  status: 0,
  receipt: 2,
  request: 0,
  command: 0,
  reply: 0,
} as const satisfies Record<TopicName, number>;

export interface ParsedTopic {
  readonly gateway: string;
  readonly partition: string;
  readonly name: TopicName;
  /** `<number>-<tag>` of the log that a checkpoint or receipt is about. */
  readonly tag?: string;
  /** 8 hex digits: the witness key that signed a receipt. */
  readonly keyId?: string;
}

/** Whether a text may stand before `/v1/` in a topic: 1 to 8 levels without wildcards. */
export function isTopicPrefix(prefix: string): boolean {
  return PREFIX.test(prefix);
}

export function isGatewayId(gateway: string): boolean {
  return GATEWAY.test(gateway);
}

/** Two hex digits: (first byte of SHA-256(gateway id)) mod 64. */
export function partitionOf(crypto: EvidenceCrypto, gateway: string): string {
  const [first = 0] = crypto.sha256(utf8(gateway));
  return hex(Uint8Array.of(first % PARTITIONS));
}

/** `<prefix>/v1/<pp>/<gateway>`, without a slash at its end. */
export function gatewayRoot(crypto: EvidenceCrypto, prefix: string, gateway: string): string {
  assert(isTopicPrefix(prefix) && isGatewayId(gateway), `no topic root for ${prefix} and ${gateway}`);
  return `${prefix}/v1/${partitionOf(crypto, gateway)}/${gateway}`;
}

/** Filter of one kind of message of every gateway of a partition, or of all with `+`: `<prefix>/v1/<pp>/+/<name>...`. */
export function fleetFilter(prefix: string, partition: string, name: TopicName): string {
  assert(isTopicPrefix(prefix) && /^([0-3][0-9a-f]|\+)$/.test(partition), `no partition ${partition}`);
  return `${prefix}/v1/${partition}/+/${name}${'/+'.repeat(LEVELS_AFTER[name])}`;
}

export function parseTopic(crypto: EvidenceCrypto, prefix: string, topic: string): Result<ParsedTopic, 'topic'> {
  if (!topic.startsWith(`${prefix}/v1/`)) return refuse('topic', `expected a topic below ${prefix}/v1/`);
  const [partition = '', gateway = '', name = '', ...after] = topic.slice(prefix.length + 4).split('/');
  if (!isGatewayId(gateway)) return refuse('topic', 'expected a gateway id of [a-z0-9-]{1,64}');
  if (partition !== partitionOf(crypto, gateway)) return refuse('topic', 'the partition is not that of the gateway id');
  if (!isTopicName(name) || after.length !== LEVELS_AFTER[name])
    return refuse('topic', 'no topic of this name and depth');
  const [tag, keyId] = after;
  if (tag !== undefined && !LOG_NAME.test(tag)) return refuse('topic', 'expected <number>-<tag> of a log');
  if (keyId !== undefined && !KEY_ID.test(keyId)) return refuse('topic', 'expected a key id of 8 hex digits');
  return accept({
    gateway,
    partition,
    name,
    ...(tag !== undefined && { tag }),
    ...(keyId !== undefined && { keyId }),
  });
}

/** `<number>-<tag>`: how a log is named below its gateway. */
export function logName(origin: Origin): string {
  return `${origin.number}-${origin.tag}`;
}

/** Below the gateway's root: `checkpoint/<number>-<tag>`. */
export function checkpointName(origin: Origin): string {
  return `checkpoint/${logName(origin)}`;
}

/** Below the gateway's root: `receipt/<number>-<tag>/<key id>`. */
export function receiptName(origin: Origin, keyId: Uint8Array): string {
  return `receipt/${logName(origin)}/${hex(keyId)}`;
}

/** MQTT 5 user properties of a batch: hints, never believed. */
export function batchProperties(head: Pick<BatchHead, 'origin' | 'first' | 'count'>): Record<string, string> {
  return { log: head.origin, first: `${head.first}`, count: `${head.count}` };
}

function isTopicName(name: string): name is TopicName {
  return Object.hasOwn(LEVELS_AFTER, name);
}
