/** config/openapi.json is what the code says, and it is a document that others can read. */
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { settingsSchemaText } from '../../../src/cli/commands/config-schema.ts';
import { ENDPOINTS } from '../../../src/risk/api/endpoints.ts';
import { refusalsOf } from '../../../src/risk/api/openapi.ts';
import { PROBLEM_CODES } from '../../../src/risk/api/problems.ts';
import { TYPES_OF_KIND } from '../../../src/risk/sources/body.ts';
import { SOURCE_REFUSALS } from '../../../src/risk/sources/reasons.ts';
import { expectFile } from '../../support/generated.ts';

const file = join(import.meta.dirname, '../../../config/openapi.json');
const text = settingsSchemaText('risk-api');
const document = JSON.parse(text);

test('the OpenAPI document in config/ is fresh', () => {
  expectFile(file, text);
});

test('every schema compiles, and every reference leads somewhere', () => {
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } });
  const names = Object.keys(document.components.schemas);
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) {
    ajv.compile({ $ref: `#/components/schemas/${name}`, components: document.components });
  }
  const wanted = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? '');
  expect(wanted.filter((name) => !names.includes(name))).toEqual([]);
  expect(names.filter((name) => !wanted.includes(name))).toEqual([]);
});

test('every endpoint is told once, with its parameters and its roles', () => {
  const operations = ENDPOINTS.map(({ path, method }) => document.paths[path][method.toLowerCase()]);
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(ENDPOINTS.length);
  for (const { id, path, access } of ENDPOINTS) {
    const operation = operations.find(({ operationId }) => operationId === id);
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const told = (operation.parameters ?? []).filter((one: { in: string }) => one.in === 'path');
    expect(told.map(({ name }: { name: string }) => name)).toEqual(named);
    if (access !== 'public') expect(operation.security).toEqual([{ token: access }]);
  }
});

test('webhooks of sources are told with what each kind may say, and with every refusal', () => {
  const { post } = document.paths['/v1/sources/{name}'];
  expect(post.parameters).toMatchObject([{ name: 'name', in: 'path', required: true }]);
  const told = document.components.schemas.SourceMessage.anyOf.map(
    (one: { properties: { type: { const: string } } }) => one.properties.type.const,
  );
  expect(told.sort()).toEqual([...new Set(Object.values(TYPES_OF_KIND).flat())].sort());
  for (const [reason, [status]] of Object.entries(SOURCE_REFUSALS)) {
    expect(post.responses[status].description.split(', ')).toContain(reason);
  }
});

test('every problem belongs to an endpoint, but for those of paths', () => {
  const told = new Set(ENDPOINTS.flatMap(refusalsOf));
  const elsewhere = ['no_such_path', 'method_not_allowed'];
  expect(PROBLEM_CODES.filter((code) => !told.has(code))).toEqual(elsewhere);
});
