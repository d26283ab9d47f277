/** Where a process answers monitoring: on its own machine alone, since nobody is asked who he is. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { isLoopback } from '../http/settings.ts';

const PORT_MAX = 65_535;

export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:9464` or `[::1]:9464`; undefined for everything else. */
export function parseListen(text: string): Listen | undefined {
  const [, bracketed, bare, digits = ''] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? bare ?? '';
  const port = Number(digits);
  if (isIP(host) === 0 || !isLoopback(host) || port > PORT_MAX) return undefined;
  return { host, port };
}

export const metricsSettingsSchema = z
  .strictObject({
    listen: z
      .string()
      .max(64)
      .refine((text) => parseListen(text) !== undefined, {
        error: 'a loopback address and a port, such as 127.0.0.1:9464 or [::1]:9464',
      })
      .describe('answers GET /metrics (Prometheus), /healthz and /readyz; port 0 takes a free one'),
  })
  .describe('monitoring; without it nobody is answered');

export type MetricsSettings = z.output<typeof metricsSettingsSchema>;
