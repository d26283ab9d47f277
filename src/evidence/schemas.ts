/**
 * The JSON Schemas (2020-12) that FORMAT.md refers to. Generated files under config/ hold exactly these texts.
 *
 * A schema says shapes. What it cannot say (canonical spelling, signatures, the card-number scan, members that
 * `withheld` names) stands in FORMAT.md.
 */
import type { JsonObject } from './event/event.ts';
import { EVENT_TYPES, leafSchema } from './event/vocabulary.ts';
import { BUNDLE_ENVELOPES_MAX } from './verify/bundle.ts';
import { POLICY_SCHEMA } from './verify/policy.ts';
import { ACCESS_SCHEMAS } from './wire/access-args.ts';
import { COMMAND_SCHEMAS } from './wire/command.ts';
import { ENROLMENT_SCHEMAS } from './wire/enrolment.ts';

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';
const count: JsonObject = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const origin: JsonObject = {
  type: 'string',
  maxLength: 120,
  pattern: '^[a-z0-9][a-z0-9.-]*/[a-z0-9-]{1,64}/[1-9][0-9]{0,8}-[0-9a-f]{8}$',
};
const gateway: JsonObject = { type: 'string', pattern: '^[a-z0-9-]{1,64}$' };
const hash: JsonObject = { type: 'string', pattern: '^[A-Za-z0-9+/]{43}=$' };
const base64: JsonObject = {
  type: 'string',
  pattern: '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
};
const note: JsonObject = { type: 'string', maxLength: 16_384 };
const version: JsonObject = { const: 1 };

function closed(required: JsonObject, optional: JsonObject = {}): JsonObject {
  return {
    type: 'object',
    required: Object.keys(required),
    properties: { ...required, ...optional },
    additionalProperties: false,
  };
}

function list(items: JsonObject, minItems: number, maxItems: number): JsonObject {
  return { type: 'array', minItems, maxItems, items };
}

const envelope = closed({
  payload: base64,
  payloadType: { type: 'string', pattern: '^application/vnd\\.latchkey\\.[a-z0-9.+-]{1,64}$' },
  signatures: list(closed({ keyid: { type: 'string', pattern: '^[0-9a-f]{8,64}$' }, sig: base64 }), 1, 4),
});

const WIRE: JsonObject = {
  batch_header: closed(
    { checkpoint: note, count: { ...count, minimum: 1 }, first: count, log: origin, size: count, v: version },
    { left: list(hash, 1, 53) },
  ),
  batch_signature: {
    oneOf: [
      closed({
        kid: { type: 'string', pattern: '^[0-9a-f]{8}$' },
        sig: { type: 'string', pattern: '^[A-Za-z0-9+/]{86}==$' },
      }),
      closed({ kid: { const: '' }, sig: { const: '' } }),
    ],
  },
  status: closed({ boot: count, state: { enum: ['online', 'offline', 'stopping'] }, v: version }),
  request: closed({ first: count, log: origin, v: version }),
  envelope,
  enrolment: closed(
    { successors: list({ $ref: '#/$defs/envelope' }, 0, 64), v: version },
    { record: { $ref: '#/$defs/envelope' } },
  ),
  successor: {
    ...closed(
      {
        cause: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,31}$' },
        gateway,
        new: { type: 'string', pattern: '^[^+\\s]+\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{44}$' },
        old: origin,
        v: version,
      },
      { root: hash, size: count },
    ),
    dependentRequired: { root: ['size'], size: ['root'] },
  },
  ...ENROLMENT_SCHEMAS,
  ...COMMAND_SCHEMAS,
  ...ACCESS_SCHEMAS,
  bundle: closed(
    {
      logs: list(
        closed(
          {
            checkpoints: list(closed({ consistency: list(hash, 0, 110), note }), 1, 64),
            entries: list(
              {
                oneOf: [
                  closed({ leaf: { type: 'string', maxLength: 4_096 }, proof: { type: 'string' } }),
                  closed({ hash, proof: { type: 'string' } }),
                ],
              },
              0,
              4_096,
            ),
            log: origin,
            searched: closed({ end: count, first: count }),
          },
          { trees: list(closed({ consistency: list(hash, 0, 110), root: hash, size: count }), 1, 64) },
        ),
        1,
        16,
      ),
      question: { type: 'string', maxLength: 1_000 },
      v: version,
    },
    {
      decisions: list(
        closed({ answer: { type: 'string' }, facts: { type: 'string' }, parameters: { type: 'string' } }),
        1,
        64,
      ),
      enrolments: list({ type: 'string' }, 1, BUNDLE_ENVELOPES_MAX),
      seal: { type: 'string' },
      successors: list({ type: 'string' }, 1, BUNDLE_ENVELOPES_MAX),
    },
  ),
};

/** One envelope for all types; `data` by type. */
function events(): JsonObject {
  const envelopes = EVENT_TYPES.map((type) => leafSchema(type));
  const { type: _type, data: _data, ...shared } = (envelopes[0]?.['properties'] ?? {}) as JsonObject;
  const data = EVENT_TYPES.map(
    (type, i) => [type, ((envelopes[i]?.['properties'] ?? {}) as JsonObject)['data'] ?? {}] as const,
  );
  return {
    $schema: DIALECT,
    title: 'A custody event, version 1',
    type: 'object',
    required: envelopes[0]?.['required'] ?? [],
    properties: { ...shared, type: { enum: EVENT_TYPES }, data: { type: 'object' } },
    additionalProperties: false,
    oneOf: EVENT_TYPES.map((type) => ({ properties: { type: { const: type }, data: { $ref: `#/$defs/${type}` } } })),
    $defs: Object.fromEntries(data),
  };
}

/** File names under config/. */
export const SCHEMA_FILES = ['event.schema.json', 'policy.schema.json', 'wire.schema.json'] as const;
export type SchemaFile = (typeof SCHEMA_FILES)[number];

/** The generated file's text. */
export function schemaText(file: SchemaFile): string {
  const schemas: Readonly<Record<SchemaFile, () => unknown>> = {
    'event.schema.json': events,
    'policy.schema.json': () => POLICY_SCHEMA,
    'wire.schema.json': () => ({ $schema: DIALECT, title: 'Messages, headers and bundles', $defs: WIRE }),
  };
  return `${JSON.stringify(schemas[file](), undefined, 2)}\n`;
}
