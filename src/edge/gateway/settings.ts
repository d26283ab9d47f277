/**
 * The whole of gateway.yaml: each room's schema, put together, and the checks that need several rooms.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { formatVkey, parseVkey, witnessVkey } from '../../evidence/log/note.ts';
import { isTopicPrefix, PREFIX_DEFAULT } from '../../evidence/wire/topics.ts';
import { metricsSettingsSchema } from '../../platform/metrics/settings.ts';
import { mqttSettingsSchema } from '../../platform/mqtt/settings.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { accessSettingsSchema } from '../access/settings.ts';
import { commandsSettingsSchema } from '../commands/settings.ts';
import { consoleSettingsSchema } from '../console/settings.ts';
import { custodySettingsSchema } from '../custody/settings.ts';
import { doorsSettingsSchema } from '../doors/settings.ts';
import { photoSourcesSchema } from '../drivers/photo/settings.ts';
import { LONE_BAUD, lineBaud, lineShape } from '../drivers/settings.ts';
import { journalSettingsSchema } from '../journal/journal-settings.ts';
import { photoStoreSchema } from '../photos/settings.ts';
import { portShape } from '../ports/settings.ts';
import { uplinkSettingsSchema } from '../uplink/settings.ts';
import { checkAccessNames, checkSealPrefixes } from './access-names.ts';
import { enrolmentServiceSchema } from './enrolment-settings.ts';
import { checkInstruments } from './instrument-names.ts';
import { keySettingsSchema } from './key-settings.ts';
import { referenceSettingsSchema } from './references.ts';

/** Longest path of a Unix socket (sun_path, unix(7)), with its closing zero. */
const SOCKET_PATH_BYTES_MAX = 107;
/** At least two labels, each as an origin (evidence) takes them: what is not is found now, not when the key is made. */
const DOMAIN = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/;
const PORTS_MAX = 64;
const RECEIVERS_MAX = 16;

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, 'an absolute path');

/** The key id is a hash of name and key: a mistyped key does not pass. */
function isWitnessVkey(text: string): boolean {
  const parsed = parseVkey(text);
  if (!parsed.ok) return false;
  return formatVkey(witnessVkey(nodeCrypto, parsed.value.name, parsed.value.publicKey)) === text;
}

const receiverSchema = z.strictObject({
  vkey: z
    .string()
    .max(256)
    .refine(isWitnessVkey, 'a verifier key of type 0x04, as "latchkey receive --show-key" prints it')
    .describe('verifier key of a consumer whose receipts count'),
  role: z
    .enum(['store', 'advisory'])
    .describe('store: keeps every entry, so that its receipt allows pruning. advisory: only shows progress'),
});

const portSchema = z.strictObject({ ...portShape, ...lineShape }).superRefine((port, context) => {
  if (port.link.baud !== undefined || lineBaud(port.devices) !== undefined) return;
  const message = 'a speed, since the devices on this port usually speak at different ones';
  context.addIssue({ code: 'custom', path: ['link', 'baud'], message, input: undefined });
});

export const gatewaySettingsSchema = z
  .strictObject({
    gateway: z.strictObject({
      id: z
        .string()
        .regex(/^[a-z0-9-]{1,64}$/, '1 to 64 of a-z 0-9 -')
        .describe('unique per broker'),
      operator_domain: z
        .string()
        .max(40)
        .regex(DOMAIN, 'a lowercase domain name of at most 40 characters')
        .describe('begins the name of every log'),
      data_dir: absolutePath.describe('journal, keys and control socket; on a disk, not in memory'),
    }),
    keys: keySettingsSchema,
    enrolment: enrolmentServiceSchema,
    mqtt: mqttSettingsSchema,
    prefix: z
      .string()
      .refine(isTopicPrefix, '1 to 8 topic levels without wildcards')
      .default(PREFIX_DEFAULT)
      .describe('topic levels before /v1/, the same as at the consumer'),
    receivers: z.array(receiverSchema).max(RECEIVERS_MAX).default([]),
    ports: z.array(portSchema).max(PORTS_MAX).default([]),
    custody: custodySettingsSchema.prefault({}),
    photos: z
      .strictObject({ sources: photoSourcesSchema, store: photoStoreSchema.prefault({}) })
      .prefault({})
      .describe('images of what happens at the doors; they stay on this box, encrypted'),
    doors: doorsSettingsSchema.prefault({}),
    commands: commandsSettingsSchema.prefault({}),
    console: consoleSettingsSchema.prefault({}),
    access: accessSettingsSchema.exactOptional(),
    references: referenceSettingsSchema,
    journal: journalSettingsSchema.prefault({}),
    uplink: uplinkSettingsSchema.prefault({}),
    metrics: metricsSettingsSchema.exactOptional(),
    control: z.strictObject({ socket: absolutePath.optional() }).prefault({}),
    alive_interval_s: z.int().min(1).max(86_400).default(60).describe('how often the signed gateway.alive is written'),
    stop_wait_s: z.int().min(0).max(3_600).default(20).describe('a clean stop waits this long for the last receipt'),
    log_level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  })
  // Also when a part is wrong in itself, so that all problems come at once.
  .superRefine((settings, context) => checkNames(namesSchema.parse(settings), context), { when: () => true })
  .superRefine(checkInstruments)
  .superRefine(checkAccessNames)
  .superRefine(checkSealPrefixes)
  .superRefine(({ keys, mqtt }, context) => {
    if (keys === 'software' || keys.tpm.mqtt_login === undefined || mqtt.password_file === undefined) return;
    const message = 'no password file, since keys.tpm.mqtt_login makes the password';
    context.addIssue({ code: 'custom', path: ['mqtt', 'password_file'], message, input: mqtt.password_file });
  })
  .superRefine((settings, context) => {
    if (Buffer.byteLength(socketPathOf(settings)) > SOCKET_PATH_BYTES_MAX) {
      const message = `a path of at most ${SOCKET_PATH_BYTES_MAX} bytes for the control socket (set control.socket)`;
      context.addIssue({ code: 'custom', path: ['control', 'socket'], message, input: socketPathOf(settings) });
    }
  });

export type GatewaySettings = z.output<typeof gatewaySettingsSchema>;

export function socketPathOf(settings: {
  readonly gateway: { readonly data_dir: string };
  readonly control: { readonly socket?: string | undefined };
}): string {
  return settings.control.socket ?? join(settings.gateway.data_dir, 'control.sock');
}

/** Stands where the settings have no usable name: that was said already. */
const UNREADABLE = '';
const anyName = z.string().catch(UNREADABLE);
const anyDevice = z.object({
  name: anyName,
  driver: anyName,
  channels: z.number().catch(Number.POSITIVE_INFINITY),
});
const anyCompartment = z.object({ device: anyName, channel: z.number().catch(0) });

/** What `checkNames` needs, out of settings that may be wrong anywhere. */
const namesSchema = z
  .object({
    ports: listOf(z.object({ name: anyName, devices: listOf(anyDevice, { name: '', driver: '', channels: 0 }) }), {
      name: UNREADABLE,
      devices: [],
    }),
    custody: z
      .object({ compartments: listOf(anyCompartment, { device: UNREADABLE, channel: 0 }) })
      .catch({ compartments: [] }),
  })
  .catch({ ports: [], custody: { compartments: [] } });

function listOf<T extends z.ZodType>(item: T, otherwise: z.output<T>): z.ZodCatch<z.ZodArray<z.ZodCatch<T>>> {
  return z.array(item.catch(otherwise as never)).catch([]);
}

function isNamed(entry: { readonly name: string }): boolean {
  return entry.name !== UNREADABLE;
}

/** Names that events carry: each device once in the whole gateway, each compartment on a device that is there. */
function checkNames(settings: z.output<typeof namesSchema>, context: z.RefinementCtx): void {
  const devices = new Map<string, number>();
  const ports = new Set<string>();
  for (const [p, port] of settings.ports.entries()) {
    if (isNamed(port) && ports.has(port.name)) {
      context.addIssue({
        code: 'custom',
        path: ['ports', p, 'name'],
        message: 'a name that no other port has',
        input: port.name,
      });
    }
    ports.add(port.name);
    for (const [d, device] of port.devices.entries()) {
      const path = ['ports', p, 'devices', d, 'name'];
      if (isNamed(device) && devices.has(device.name)) {
        context.addIssue({ code: 'custom', path, message: 'a name that no other device has', input: device.name });
      }
      devices.set(device.name, Object.hasOwn(LONE_BAUD, device.driver) ? 0 : device.channels);
    }
  }
  for (const [c, compartment] of settings.custody.compartments.entries()) {
    if (compartment.device === UNREADABLE) continue;
    const channels = devices.get(compartment.device);
    const path = ['custody', 'compartments', c];
    if (channels === undefined) {
      context.addIssue({
        code: 'custom',
        path: [...path, 'device'],
        message: 'the name of a lock board under ports',
        input: compartment.device,
      });
    } else if (compartment.channel > channels) {
      const message = `a channel that the board has (1 to ${channels})`;
      context.addIssue({ code: 'custom', path: [...path, 'channel'], message, input: compartment.channel });
    }
  }
}
