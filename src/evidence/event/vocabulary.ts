/**
 * The vocabulary, first edition: every type of event and the allow-list of its data members.
 *
 * Types are `subject.verb-in-the-past`. A type that is not here is stored opaque by a consumer and is an assertion at
 * the gateway.
 */
import type { JsonObject } from './event.ts';
import { BODY_FIELDS, HEAD_FIELDS, HEAD_REQUIRED } from './event-fields.ts';
import type { Field } from './field.ts';
import { CUSTODY_DATA } from './vocabulary-custody.ts';
import { LOG_DATA } from './vocabulary-log.ts';

const DATA = { ...LOG_DATA, ...CUSTODY_DATA };

export type EventType = keyof typeof DATA;

export const EVENT_TYPES: readonly EventType[] = Object.keys(DATA) as EventType[];

const FIELDS: ReadonlyMap<string, Field> = new Map(Object.entries(DATA));

/** The description of a type's `data`, or undefined for an unknown type. */
export function dataField(type: string): Field | undefined {
  return FIELDS.get(type);
}

export function isEventType(type: string): type is EventType {
  return FIELDS.has(type);
}

/**
 * JSON Schema (2020-12) of a leaf of one type. What a schema cannot say (canonical spelling, the card-number scan,
 * required members that `withheld` names) stands in FORMAT.md.
 */
export function leafSchema(type: EventType): JsonObject {
  const properties: Record<string, JsonObject> = {};
  for (const [name, field] of [...HEAD_FIELDS, ...BODY_FIELDS]) properties[name] = field.schema;
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: type,
    type: 'object',
    required: [...HEAD_REQUIRED],
    properties: { ...properties, type: { const: type }, data: DATA[type].schema },
    additionalProperties: false,
  };
}
