/**
 * Settings of the devices on one port: lock boards that share a bus, or one other device.
 */
import { z } from 'zod';
import { pollSchema } from './bus/settings.ts';
import { cu48ModbusSettings } from './cu48-modbus/family.ts';
import { familyNamed, wireOf } from './families.ts';
import { kerongSettings } from './kerong-cu16/family.ts';
import { cu48Settings } from './kerong-cu48/family.ts';
import { KEYPAD, KEYPAD_BAUD, keypadSettings } from './keypad/settings.ts';
import { LATCHKEY, LATCHKEY_BAUD, type LatchkeySettings, latchkeySettings } from './latchkey/settings.ts';
import { modbusIoSettings } from './modbus-io/settings.ts';
import { MT_SICS, MT_SICS_BAUD, sicsSettings } from './mt-sics/settings.ts';
import { NMEA, NMEA_BAUD, nmeaSettings } from './nmea/settings.ts';
import { SSI_BAUD, SSI_SCANNER, ssiSettings } from './ssi-scanner/settings.ts';
import { scannerSettings, TEXT_SCANNER, TEXT_SCANNER_BAUD } from './text-scanner/settings.ts';
import { TOLEDO_BAUD, TOLEDO_CONTINUOUS, toledoSettings } from './toledo-continuous/settings.ts';
import { winnsenSettings } from './winnsen/family.ts';
import { wklySettings } from './wkly/family.ts';
import { xorSettings } from './xor-8a80/family.ts';

/** 32 unit loads hang on an RS-485 line. */
const DEVICES_MAX = 32;

/**
 * Devices that need a port for themselves, with the speed that they usually speak: they talk when they like, and a bus
 * has one speaker at a time. Their lines are made by `LONE_LINES` in `create-line.ts`.
 */
export const LONE_BAUD = {
  [TEXT_SCANNER]: TEXT_SCANNER_BAUD,
  [SSI_SCANNER]: SSI_BAUD,
  [MT_SICS]: MT_SICS_BAUD,
  [TOLEDO_CONTINUOUS]: TOLEDO_BAUD,
  [NMEA]: NMEA_BAUD,
  [KEYPAD]: KEYPAD_BAUD,
} as const satisfies Readonly<Record<string, number>>;

export type LoneDriver = keyof typeof LONE_BAUD;

export const deviceSchema = z.discriminatedUnion('driver', [
  xorSettings,
  kerongSettings,
  cu48Settings,
  cu48ModbusSettings,
  modbusIoSettings,
  wklySettings,
  winnsenSettings,
  scannerSettings,
  ssiSettings,
  sicsSettings,
  toledoSettings,
  nmeaSettings,
  keypadSettings,
  latchkeySettings,
]);

export type DeviceSettings = z.infer<typeof deviceSchema>;
export type LoneSettings = Extract<DeviceSettings, { readonly driver: LoneDriver }>;

export function isLone(device: DeviceSettings): device is LoneSettings {
  return Object.hasOwn(LONE_BAUD, device.driver);
}

/** Speaks the open wire, alone or beside others that do. */
export function isWire(device: DeviceSettings): device is LatchkeySettings {
  return device.driver === LATCHKEY;
}

/** Members of one entry of `ports:` that this room reads. */
export const lineShape = {
  poll: pollSchema.prefault({}),
  devices: z.array(deviceSchema).min(1).max(DEVICES_MAX).superRefine(checkDevices),
};

export interface LineSettings {
  readonly poll: z.infer<typeof pollSchema>;
  readonly devices: readonly DeviceSettings[];
}

/**
 * Speed that the devices usually speak; undefined when they are of families with different ones, and the settings of
 * the link must name it.
 */
export function lineBaud(devices: readonly DeviceSettings[]): number | undefined {
  const speeds = new Set(
    devices.map((device) => {
      if (isWire(device)) return LATCHKEY_BAUD;
      return isLone(device) ? LONE_BAUD[device.driver] : familyNamed(device.driver)?.lineDefaults.baud;
    }),
  );
  return speeds.size === 1 ? [...speeds][0] : undefined;
}

function checkDevices(devices: readonly DeviceSettings[], context: z.RefinementCtx<readonly DeviceSettings[]>): void {
  const seen = new Set<string>();
  for (const [index, device] of devices.entries()) {
    if (isLone(device)) {
      if (devices.length === 1) continue;
      const message = `${device.driver} alone on its port: it speaks when it likes, and a bus has one speaker at a time`;
      context.addIssue({ code: 'custom', path: [index, 'driver'], message, input: device.driver });
      continue;
    }
    if (isWire(device) && !devices.every(isWire)) {
      const message = 'devices of the open wire share a line only with each other';
      context.addIssue({ code: 'custom', path: [index, 'driver'], message, input: device.driver });
    }
    const place = `${wireOf(device.driver)} ${device.address}`;
    if (seen.has(place)) {
      const message = 'an address that no other board of this family on the port has';
      context.addIssue({ code: 'custom', path: [index, 'address'], message, input: device.address });
    }
    seen.add(place);
  }
}
