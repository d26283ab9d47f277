/** Settings of access that contradict each other are refused where they stand, before a code fails at a door. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { accessSettingsSchema } from '../../../src/edge/access/settings.ts';
import { sealSettingsSchema } from '../../../src/edge/custody/seals.ts';
import { type AccessPlaces, checkSealPrefixes } from '../../../src/edge/gateway/access-names.ts';

const pathsOf = (more: object): readonly string[] => {
  const { error } = accessSettingsSchema.safeParse({ devices: [{ name: 'pad' }], ...more });
  return (error?.issues ?? []).map(({ path }) => path.join('.'));
};

test('a first lock is no longer than the longest', () => {
  expect(pathsOf({ lockout: { first_s: 60, max_s: 60 } })).toEqual([]);
  expect(pathsOf({ lockout: { first_s: 61, max_s: 60 } })).toEqual(['lockout.first_s']);
});

test('a scanned prefix that another one before it hides is refused; the longer one first is not', () => {
  expect(pathsOf({ scanned: [{ prefix: 'LK:' }, { prefix: 'LK' }] })).toEqual([]);
  expect(pathsOf({ scanned: [{ prefix: 'LK' }, { prefix: 'LK:' }] })).toEqual(['scanned.1.prefix']);
  expect(pathsOf({ scanned: [{ prefix: 'LK:' }, { prefix: 'LK:' }] })).toEqual(['scanned.1.prefix']);
});

test('a scanned form that takes no code that may be granted is refused', () => {
  const scanned = [{ prefix: 'LK:', length_max: 8 }];
  expect(pathsOf({ code_length_min: 8, scanned })).toEqual([]);
  expect(pathsOf({ code_length_min: 9, scanned })).toEqual(['scanned.0.length_max']);
});

test('a seal whose label begins as a credential is refused where it is named', () => {
  const access = accessSettingsSchema.parse({ devices: [{ name: 'pad' }], scanned: [{ prefix: 'LK:' }] });
  const places = z.custom<AccessPlaces>().superRefine(checkSealPrefixes);
  const found = (prefix: string): readonly string[] => {
    const seals = sealSettingsSchema.parse({ prefixes: ['SEAL-', prefix], missing: ['LK:NONE'] });
    const { error } = places.safeParse({ access, ports: [], custody: { compartments: [], seals } });
    return (error?.issues ?? []).map(({ path }) => path.join('.'));
  };
  expect(found('S')).toEqual(['custody.seals.missing.0']);
  expect(found('LK:S')).toEqual(['custody.seals.prefixes.1', 'custody.seals.missing.0']);
});
