/** GS1's own JSON Schema of EPCIS 2.0, as a judge of documents. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/epcis/epcis-json-schema.json'), 'utf8'),
) as object;

// The formats that the schema names (RFC 3986, RFC 3339).
const ajv = new Ajv({ strict: false, allErrors: true })
  .addFormat('uri', /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/)
  .addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/);
const isEpcis = ajv.compile(schema);

/** What GS1's schema says against a document; empty for a sound one. */
export function epcisProblems(document: unknown): readonly string[] {
  return isEpcis(document)
    ? []
    : (isEpcis.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
