/**
 * Settings of the devices on one port: lock boards that share a bus, or one scanner.
 */
import { z } from 'zod';
import { pollSchema } from './bus/settings.ts';
import { familyNamed } from './families.ts';
import { kerongSettings } from './kerong-cu16/family.ts';
import { scannerSettings, TEXT_SCANNER, TEXT_SCANNER_BAUD } from './text-scanner/settings.ts';
import { xorSettings } from './xor-8a80/family.ts';

/** 32 unit loads hang on an RS-485 line. */
const DEVICES_MAX = 32;

export const deviceSchema = z.discriminatedUnion('driver', [xorSettings, kerongSettings, scannerSettings]);

export type DeviceSettings = z.infer<typeof deviceSchema>;

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
    devices.map((device) =>
      device.driver === TEXT_SCANNER ? TEXT_SCANNER_BAUD : familyNamed(device.driver)?.lineDefaults.baud,
    ),
  );
  return speeds.size === 1 ? [...speeds][0] : undefined;
}

function checkDevices(devices: readonly DeviceSettings[], context: z.RefinementCtx<readonly DeviceSettings[]>): void {
  const seen = new Set<string>();
  for (const [index, device] of devices.entries()) {
    if (device.driver === TEXT_SCANNER) {
      if (devices.length === 1) continue;
      const message = 'a scanner alone on its port: it speaks when it likes, and a bus has one speaker at a time';
      context.addIssue({ code: 'custom', path: [index, 'driver'], message, input: device.driver });
      continue;
    }
    const place = `${device.driver} ${device.address}`;
    if (seen.has(place)) {
      const message = 'an address that no other board of this family on the port has';
      context.addIssue({ code: 'custom', path: [index, 'address'], message, input: device.address });
    }
    seen.add(place);
  }
}
