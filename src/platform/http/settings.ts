/** Where a service listens. Off this machine's own loopback it speaks TLS or not at all. */
import { z } from 'zod';
import { FORWARDED_HEADERS, isNetwork } from './client-address.ts';

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, { error: 'an absolute path' });

/** Addresses alone: a name may come to mean another address. */
export function isLoopback(host: string): boolean {
  return host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** `requestsPerMinute`: from one address, unless the settings say otherwise. */
export const httpSettingsWith = (requestsPerMinute: number) =>
  z
    .strictObject({
      host: z
        .string()
        .regex(/^[0-9A-Fa-f:.]{2,45}$/, { error: 'an IP address' })
        .default('127.0.0.1')
        .describe('address to listen on; :: or 0.0.0.0 for all'),
      port: z.int().min(0).max(65_535).describe('0 takes a free one'),
      tls: z
        .strictObject({ cert_file: absolutePath, key_file: absolutePath })
        .optional()
        .describe('certificate chain and key in PEM; required unless host is a loopback address'),
      requests_per_minute: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(requestsPerMinute)
        .describe('from one address (IPv6: from one /64)'),
      trusted_proxies: z
        .array(
          z.string().max(49).refine(isNetwork, { error: 'an IP address or a network such as 10.0.0.0/8, not all' }),
        )
        .max(64)
        .default([])
        .describe(
          'proxies whose header says who asks, by address or network; of others, the connection says it. Name those alone that append to the header',
        ),
      forwarded_header: z
        .enum(FORWARDED_HEADERS)
        .default('x-forwarded-for')
        .describe('the one that trusted_proxies append to; the other one is not looked at'),
      connections: z.int().min(1).max(100_000).default(500).describe('at a time'),
      request_timeout_s: z
        .int()
        .min(1)
        .max(600)
        .default(15)
        .describe('a request is whole within this time, or cut off'),
      stop_wait_s: z.int().min(0).max(600).default(10).describe('a clean stop waits this long for open requests'),
    })
    .superRefine((settings, context) => {
      if (settings.tls !== undefined || isLoopback(settings.host)) return;
      const message = 'a certificate and a key (tls), since host is not a loopback address';
      context.addIssue({ code: 'custom', path: ['tls'], message, input: undefined });
    });

export const httpSettingsSchema = httpSettingsWith(120);

export type HttpSettings = z.output<typeof httpSettingsSchema>;
