/**
 * Profile of a Modbus RTU board with relays and inputs. What such boards agree on is function 02 for inputs and 01 for
 * coils; how a relay is made to pull for a moment and let go by itself is each maker's own.
 */
import { z } from 'zod';
import { deviceName } from '../device-name.ts';
import { unlockReplySetting } from '../unlock-reply.ts';

export const MODBUS_IO = 'modbus_io';

/** Inputs read by one question. */
const CHANNELS_MAX = 128;
const place = z.int().min(0).max(0xffff);

const unlockSchema = z.discriminatedUnion('by', [
  /** Function 05 to 0200 and the relay, with the time in tenths of a second: the board lets go by itself. */
  z.strictObject({
    by: z.literal('flash'),
    first_relay: place.default(0),
    pulse_ms: z.int().min(100).max(10_000).multipleOf(100).default(500),
  }),
  /** Function 06 to the relay, counted from 1, with 0500: pulls for a second. */
  z.strictObject({ by: z.literal('momentary'), first_relay: place.default(1) }),
  /** Function 05 with FF00 to a relay that is set up, on the board, to let go by itself. */
  z.strictObject({ by: z.literal('self_resetting'), first_relay: place.default(0) }),
]);

const inputSchema = z.strictObject({
  channel: z.int().min(1).max(CHANNELS_MAX),
  name: z.string().regex(/^[a-z][a-z_]{0,39}$/, 'lower-case letters and underscores, at most 40'),
  kind: z.enum(['tamper', 'mains', 'battery']),
  /** The bit while something is wrong: tampered with, or the power is away. */
  active: z.union([z.literal(0), z.literal(1)]).default(1),
});

export const modbusIoSettings = z
  .strictObject({
    driver: z.literal(MODBUS_IO),
    name: deviceName,
    /** Slave address. */
    address: z.int().min(1).max(247),
    /** Doors: inputs, and relays of their locks, 1 to this number. 0: none. */
    channels: z.int().min(0).max(CHANNELS_MAX).default(16),
    /** Where a door's feedback is read: function 02 (inputs) or 01 (coils). */
    feedback: z.enum(['inputs', 'coils']).default('inputs'),
    /** Address of the feedback of channel 1 on the wire. */
    first: place.default(0),
    /** Inputs that are no doors, on channels above them. */
    inputs: z.array(inputSchema).max(32).default([]),
    unlock: unlockSchema.exactOptional(),
    /** The standard has the reply repeat the request. */
    unlock_reply: unlockReplySetting('echo'),
  })
  .superRefine((settings, context) => {
    const { channels, feedback, inputs } = settings;
    const issue = (path: (string | number)[], message: string, input: unknown): void =>
      context.addIssue({ code: 'custom', path, message, input });
    if (channels + inputs.length === 0)
      issue(['channels'], 'doors or inputs: a board without either reports nothing', channels);
    if (feedback === 'coils' && inputs.length > 0)
      issue(['inputs'], 'none where doors are read as coils', inputs.length);
    const seen = new Set<string | number>();
    for (const [index, { channel, name }] of inputs.entries()) {
      if (channel <= channels) issue(['inputs', index, 'channel'], `above the ${channels} doors`, channel);
      if (seen.has(channel)) issue(['inputs', index, 'channel'], 'a channel of its own', channel);
      if (seen.has(name)) issue(['inputs', index, 'name'], 'a name of its own', name);
      seen.add(channel).add(name);
    }
  });

export type ModbusIoSettings = z.infer<typeof modbusIoSettings>;
