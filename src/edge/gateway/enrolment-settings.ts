/** Where a gateway finds its enrolment service while it runs; `latchkey enroll` takes the same as its defaults. */
import { z } from 'zod';
import { LatchkeyError } from '../../base/errors.ts';
import { serviceUrl } from '../../platform/http/client.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { serviceVkey } from '../keys/enrolment-file.ts';

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, 'an absolute path');

function isServiceUrl(text: string): boolean {
  try {
    serviceUrl(text);
    return true;
  } catch (error) {
    if (error instanceof LatchkeyError) return false;
    throw error;
  }
}

export const enrolmentServiceSchema = z
  .strictObject({
    url: z
      .string()
      .max(2_048)
      .refine(isServiceUrl, 'https://HOST[:PORT], or http:// of a loopback address')
      .describe('of the enrolment service'),
    ca_file: absolutePath.optional().describe('PEM certificates that may vouch for it, instead of the system list'),
    service_key: z
      .string()
      .max(300)
      .refine((text) => serviceVkey(nodeCrypto, text) !== undefined, {
        error: 'a verifier key as "latchkey enrolments serve --show-key" prints it',
      })
      .optional()
      .describe('verifier key of the service: records of another are not believed'),
    timeout_ms: z.int().min(100).max(120_000).default(30_000).describe('no answer by then: try again later'),
    retry: z
      .strictObject({
        first_ms: z.int().min(10).max(3_600_000).default(5_000),
        max_ms: z.int().min(10).max(86_400_000).default(900_000),
      })
      .default({ first_ms: 5_000, max_ms: 900_000 })
      .describe('wait before telling it again: doubles from first to max, with jitter'),
  })
  .optional()
  .describe('an enrolled gateway tells this service which log follows which; nobody is told without it');

export type EnrolmentServiceSettings = NonNullable<z.output<typeof enrolmentServiceSchema>>;
