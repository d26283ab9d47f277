/**
 * Settings of one MQTT connection. Secrets are named by file and never stand in the settings themselves; whether the
 * broker's certificate is checked is no setting.
 */
import { z } from 'zod';

const BROKER_URL = /^mqtts?:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?\/?$/;

const filePath = z.string().min(1).max(4_096);

export const mqttSettingsSchema = z
  .strictObject({
    url: z
      .string()
      .refine((url) => BROKER_URL.test(url) && URL.canParse(url), {
        error: 'mqtt://host[:port] or mqtts://host[:port], without user, password or path',
      })
      .describe('mqtts://host:8883, or mqtt://host:1883 on this machine or a trusted line'),
    protocol: z.enum(['5', '3.1.1']).default('5').describe('MQTT version'),
    client_id: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,64}$/, { error: '1 to 64 of A-Z a-z 0-9 _ . -' })
      .optional()
      .describe('derived when left out; unique per broker: a second client with this name throws the first one out'),
    server_name: z
      .string()
      .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/, { error: 'a DNS name' })
      .optional()
      .describe('the name that the certificate of the broker must have, when it is not the host of the url'),
    username: z.string().min(1).max(256).optional(),
    password_file: filePath.optional().describe('file, mode 0600, whose first line is the password'),
    ca_file: filePath.optional().describe('PEM certificates that may vouch for the broker, instead of the system list'),
    cert_file: filePath.optional().describe('PEM certificate of this client'),
    key_file: filePath.optional().describe('PEM key of this client, mode 0600, not encrypted'),
    keepalive_s: z.int().min(1).max(600).default(15),
    connect_timeout_ms: z.int().min(100).max(120_000).default(15_000),
    ack_timeout_ms: z.int().min(100).max(120_000).default(20_000).describe('no PUBACK or SUBACK by then: reconnect'),
    reconnect: z
      .strictObject({
        first_ms: z.int().min(1).max(60_000).default(250),
        max_ms: z.int().min(1).max(600_000).default(30_000),
      })
      .default({ first_ms: 250, max_ms: 30_000 })
      .describe('wait before connecting again: doubles from first to max, with jitter'),
    packet_size_max: z
      .int()
      .min(4_096)
      .max(16_777_216)
      .default(262_144)
      .describe('largest packet taken from the broker, bytes; larger ones are dropped and counted'),
  })
  .superRefine((settings, context) => {
    const pairs = [
      ['cert_file', 'key_file'],
      ['key_file', 'cert_file'],
      ['password_file', 'username'],
    ] as const;
    for (const [present, needed] of pairs) {
      if (settings[present] !== undefined && settings[needed] === undefined) {
        context.addIssue({ code: 'custom', path: [needed], message: `a value, since ${present} is there` });
      }
    }
    if (settings.url.startsWith('mqtt:') && (settings.ca_file ?? settings.cert_file ?? settings.server_name)) {
      context.addIssue({ code: 'custom', path: ['url'], message: 'mqtts:// with certificate files and server_name' });
    }
  });

export type MqttSettings = z.infer<typeof mqttSettingsSchema>;

/** What the broker publishes for us when the connection dies without a DISCONNECT. Set by the room, not by a person. */
export interface MqttWill {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
}
