/**
 * Every family whose frames can be read, with or without a driver: what `latchkey decode FAMILY` takes. A family is
 * named as its driver is.
 */
import { BOARD_FAMILIES } from '../families.ts';
import type { DescribeFrame } from '../frame-description.ts';
import { describeLatchkey } from '../latchkey/describe.ts';
import { describeSics } from '../mt-sics/describe.ts';
import { describeNmea } from '../nmea/describe.ts';
import { describeSsi } from '../ssi-scanner/describe.ts';
import { describeToledo } from '../toledo-continuous/describe.ts';
import { describeDatalogic, describeHoneywell, describeOpticon } from './host-commands.ts';
import { describeNewland } from './newland.ts';
import { describeOsdp } from './osdp.ts';

const OTHERS: readonly (readonly [string, DescribeFrame])[] = [
  ['ssi', describeSsi],
  ['mt_sics', describeSics],
  ['toledo', describeToledo],
  ['nmea', describeNmea],
  ['latchkey', describeLatchkey],
  ['osdp', describeOsdp],
  ['newland', describeNewland],
  ['honeywell', describeHoneywell],
  ['opticon', describeOpticon],
  ['datalogic', describeDatalogic],
];

/** Other names that people use for them. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['bcc_8a80', 'xor_8a80'],
  ['ssi_scanner', 'ssi'],
  ['toledo_continuous', 'toledo'],
]);

function describers(): ReadonlyMap<string, DescribeFrame> {
  const boards = BOARD_FAMILIES.flatMap(({ name, describe }): [string, DescribeFrame][] =>
    describe === undefined ? [] : [[name, describe]],
  );
  return new Map([...boards, ...OTHERS]);
}

/** As it is spelled in the table, however it was typed: programs compare it. */
export function familyName(typed: string): string {
  return typed.toLowerCase().replaceAll('-', '_');
}

export function describerOf(typed: string): DescribeFrame | undefined {
  const name = familyName(typed);
  return describers().get(ALIASES.get(name) ?? name);
}

export function describedFamilies(): readonly string[] {
  return [...describers().keys(), ...ALIASES.keys()].sort();
}
