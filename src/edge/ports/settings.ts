/**
 * Settings of a port: its name and its link. Devices on the port are the drivers' settings; the composition root puts
 * the two together.
 */
import { z } from 'zod';
import { NAME_PATTERN } from '../../evidence/event/event-fields.ts';

const serialLink = z.strictObject({
  kind: z.literal('serial'),
  /**
   * Device path. Kernel names such as `/dev/ttyUSB0` change with the order of plugging in: give a `/dev/serial/by-id/`
   * name, or `/dev/serial/by-path/` where adapters carry no serial number of their own (CH340, many CP2102).
   */
  path: z
    .string()
    .max(255)
    .regex(/^\/[^\0]+$/, 'an absolute path'),
  /** Absent: what the devices on the port usually speak. */
  baud: z.int().min(300).max(4_000_000).optional(),
  data_bits: z.union([z.literal(7), z.literal(8)]).default(8),
  parity: z.enum(['none', 'even', 'odd']).default('none'),
  stop_bits: z.union([z.literal(1), z.literal(2)]).default(1),
  backoff_max_ms: z.int().min(250).max(60_000).default(2_000),
});

const tcpLink = z.strictObject({
  kind: z.literal('tcp'),
  host: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9.:_-]+$/, 'a host name or address'),
  port: z.int().min(1).max(65_535),
  /** Speed of the serial side of the server, for reply times only: raw TCP cannot set it. */
  baud: z.int().min(300).max(4_000_000).optional(),
  connect_timeout_ms: z.int().min(100).max(60_000).default(5_000),
  /** Silence before the kernel asks whether the other end is still there; it gives up about 10 s later. */
  keepalive_ms: z.int().min(1_000).max(3_600_000).default(10_000),
  backoff_max_ms: z.int().min(250).max(300_000).default(15_000),
});

export const linkSchema = z.discriminatedUnion('kind', [serialLink, tcpLink]);

/** Members of one entry of `ports:` that this room reads. */
export const portShape = {
  /** Names the port in events and metrics. */
  name: z
    .string()
    .regex(
      new RegExp(`^${NAME_PATTERN}$`),
      'letters, digits, dot, hyphen and underscore, at most 64, fewer than 13 digits',
    ),
  link: linkSchema,
};

export type SerialLinkSettings = z.infer<typeof serialLink>;
export type TcpLinkSettings = z.infer<typeof tcpLink>;

export interface PortSettings {
  readonly name: string;
  readonly link: SerialLinkSettings | TcpLinkSettings;
}
