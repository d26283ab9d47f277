import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import type { Json, JsonObject } from '../../../src/evidence/event/event.ts';
import { dataField, EVENT_TYPES, isEventType, leafSchema } from '../../../src/evidence/event/vocabulary.ts';
import { bodyOf, eventOf, SAMPLES } from './samples.ts';

/** FORMAT.md section 2, first edition. */
const FIRST_EDITION = `predecessor.found journal.opened gateway.started gateway.stopped gateway.alive clock.stepped
  key.enrolled key.attested key.rotated anchor.made device.found device.lost device.faulted device.commissioned
  line.noisy code.scanned door.opened door.closed door.forced occupancy.changed weight.measured tamper.raised
  tamper.cleared power.lost power.restored location.fixed photo.captured photo.dropped access.granted access.refused unlock.intended unlock.ended
  parcel.deposited parcel.collected parcel.returned parcel.removed compartment.disturbed compartment.counted
  seal.recorded custody.handed_over exception.reported maintenance.opened maintenance.closed console.acted
  settings.changed command.received command.executed command.refused`.split(/\s+/);

const ajv = new Ajv2020({ strict: false });

test('the vocabulary is the first edition, whole', () => {
  expect([...EVENT_TYPES].sort()).toEqual([...FIRST_EDITION].sort());
  expect(isEventType('door.opened')).toBe(true);
  expect(isEventType('constructor')).toBe(false);
});

test.each(EVENT_TYPES)('the sample of %s uses every member that its schema names', (type) => {
  expect(
    missingMembers(leafSchema(type)['properties'] as JsonObject, { ...eventOf(bodyOf(type)) } as unknown as JsonObject),
  ).toEqual(['carried', 'withheld']);
});

test.each(EVENT_TYPES)('the published JSON Schema of %s and the check agree', (type) => {
  const validate = ajv.compile(leafSchema(type));
  expect(validate(eventOf(bodyOf(type))), JSON.stringify(validate.errors)).toBe(true);
  const field = dataField(type);
  let refused = 0;
  for (const data of mutants(SAMPLES[type])) {
    const fits = field?.fits(data) ?? false;
    const valid = validate({ ...eventOf(bodyOf(type)), data });
    if (!fits) refused += 1;
    expect(valid, `${type} ${JSON.stringify(data)}`).toBe(fits);
  }
  expect(refused).toBeGreaterThan(2);
});

function missingMembers(properties: JsonObject, value: JsonObject): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const member = value[name];
    if (member === undefined) return [name];
    const { properties: inner, items } = schema as JsonObject;
    const below = items === undefined ? inner : (items as JsonObject)['properties'];
    const sample = Array.isArray(member) ? member[0] : member;
    if (below === undefined || typeof sample !== 'object') return [];
    return missingMembers(below as JsonObject, sample as JsonObject).map((each) => `${name}/${each}`);
  });
}

/** Each member, at every depth, left out, of another type, out of bounds; and a member that nobody knows. */
function* mutants(value: JsonObject): Generator<JsonObject> {
  yield { ...value, zz_unknown: 1 };
  for (const [name, member] of Object.entries(value)) {
    const { [name]: _gone, ...rest } = value;
    yield rest;
    for (const wrong of wrongOnes(member as Json)) yield { ...value, [name]: wrong };
    if (typeof member === 'object' && !Array.isArray(member)) {
      for (const inner of mutants(member as JsonObject)) yield { ...value, [name]: inner };
    }
    if (Array.isArray(member)) {
      const [first] = member as readonly Json[];
      yield { ...value, [name]: Array.from({ length: 17 }, () => first as Json) };
      if (typeof first === 'object')
        for (const inner of mutants(first as JsonObject)) yield { ...value, [name]: [inner] };
    }
  }
}

function wrongOnes(member: Json): readonly Json[] {
  if (typeof member === 'string') return [7, '', `${member}~`, 'x'.repeat(2_000), { ref: member }];
  if (typeof member === 'number') return [-1, 1_000_000_000_000, 'x', true];
  return [7, 'x', []];
}
