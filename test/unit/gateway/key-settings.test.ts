import { describe, expect, test } from 'vitest';
import { type TpmSettings, tpmAddress } from '../../../src/edge/gateway/key-settings.ts';
import { gatewaySettingsSchema } from '../../../src/edge/gateway/settings.ts';

const BASE = {
  gateway: { id: 'gw-1', operator_domain: 'lockers.example', data_dir: '/var/lib/latchkey' },
  mqtt: { url: 'mqtts://broker.example' },
  references: { kind: 'clear' },
};

function read(keys: unknown, mqtt: object = BASE.mqtt): ReturnType<typeof gatewaySettingsSchema.safeParse> {
  return gatewaySettingsSchema.safeParse({ ...BASE, keys, mqtt });
}

function tpmOf(keys: unknown): TpmSettings {
  const { keys: parsed } = gatewaySettingsSchema.parse({ ...BASE, keys });
  if (parsed === 'software') throw new Error('no TPM');
  return parsed.tpm;
}

describe('the keys of gateway.yaml', () => {
  test('are never software unless it is written there', () => {
    expect(read(undefined).success).toBe(false);
    expect(read('software').success).toBe(true);
  });

  test('in a TPM: pace and wear have the values that the chip is rated for', () => {
    expect(tpmOf({ tpm: { device: '/dev/tpmrm0' } }).anchors).toEqual({
      parcel_gap_s: 10,
      entries_gap_s: 900,
      idle_gap_s: 21_600,
      increments_per_year: 50_000,
      increments_saved: 1_000,
    });
  });

  test('name one way to the TPM, and one only', () => {
    expect(tpmAddress(tpmOf({ tpm: { device: '/dev/tpmrm0' } }))).toEqual({ kind: 'device', path: '/dev/tpmrm0' });
    expect(tpmAddress(tpmOf({ tpm: { socket: '/run/tpm.sock' } }))).toEqual({ kind: 'unix', path: '/run/tpm.sock' });
    expect(tpmAddress(tpmOf({ tpm: { tcp: '[::1]:2321' } }))).toEqual({ kind: 'tcp', host: '::1', port: 2_321 });
    for (const tpm of [{}, { device: '/dev/tpmrm0', socket: '/run/tpm.sock' }, { tcp: 'tpm' }, { tcp: 'tpm:99999' }]) {
      expect([tpm, read({ tpm }).success]).toEqual([tpm, false]);
    }
  });

  test('make the password of the broker, or a file does, and not both', () => {
    const keys = { tpm: { device: '/dev/tpmrm0', mqtt_login: {} } };
    expect(tpmOf(keys).mqtt_login).toEqual({ lifetime_s: 3_600 });
    const mqtt = { ...BASE.mqtt, username: 'gw-1', password_file: '/etc/password' };
    const both = read(keys, mqtt);
    expect(both.error?.issues.map(({ path }) => path.join('.'))).toEqual(['mqtt.password_file']);
  });
});
