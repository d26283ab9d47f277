/**
 * Whether what `access:` names is there: keypads and scanners under `ports:`, compartments under `custody:`; and whether
 * it leaves the labels of seals to custody.
 */
import type { z } from 'zod';
import type { accessSettingsSchema } from '../access/settings.ts';
import type { sealSettingsSchema } from '../custody/seals.ts';
import { KEYPAD } from '../drivers/keypad/settings.ts';
import { SSI_SCANNER } from '../drivers/ssi-scanner/settings.ts';
import { TEXT_SCANNER } from '../drivers/text-scanner/settings.ts';

const DRIVERS: ReadonlySet<string> = new Set([KEYPAD, TEXT_SCANNER, SSI_SCANNER]);

export interface AccessPlaces {
  readonly access?: z.output<typeof accessSettingsSchema>;
  readonly ports: readonly { readonly devices: readonly { readonly name: string; readonly driver: string }[] }[];
  readonly custody: {
    readonly compartments: readonly { readonly name: string }[];
    readonly seals?: z.output<typeof sealSettingsSchema>;
  };
}

/** A scan that begins as a credential is never shown to custody: such a seal would be tried as a code, and count as a guess. */
export function checkSealPrefixes({ access, custody: { seals } }: AccessPlaces, context: z.RefinementCtx): void {
  const credentials = (access?.scanned ?? []).map(({ prefix }) => prefix);
  const words = [
    ['prefixes', seals?.prefixes],
    ['broken', seals?.broken],
    ['missing', seals?.missing],
  ] as const;
  for (const [word, labels = []] of words) {
    for (const [index, input] of labels.entries()) {
      if (!credentials.some((prefix) => input.startsWith(prefix))) continue;
      const message = 'a label that does not begin as a credential under access.scanned';
      context.addIssue({ code: 'custom', path: ['custody', 'seals', word, index], message, input });
    }
  }
}

export function checkAccessNames({ access, custody, ports }: AccessPlaces, context: z.RefinementCtx): void {
  const known = new Map(ports.flatMap(({ devices }) => devices.map(({ driver, name }) => [name, driver] as const)));
  const compartments = new Set(custody.compartments.map(({ name }) => name));
  const seen = new Set<string>();
  const say = (path: PropertyKey[], message: string, input: string): void =>
    context.addIssue({ code: 'custom', path: ['access', 'devices', ...path], message, input });
  for (const [index, device] of (access?.devices ?? []).entries()) {
    const driver = known.get(device.name);
    if (driver === undefined || !DRIVERS.has(driver)) {
      say([index, 'name'], 'the name of a keypad or a scanner under ports', device.name);
    }
    if (seen.has(device.name)) say([index, 'name'], 'a device that is not named before', device.name);
    seen.add(device.name);
    for (const [c, name] of (device.compartments ?? []).entries()) {
      if (!compartments.has(name)) say([index, 'compartments', c], 'the name of a compartment under custody', name);
    }
  }
}
