/** Trials of risk.yaml and receive.yaml: where they are refused, and what of them a decision is told. */
import { describe, expect, test } from 'vitest';
import { receiveSettingsSchema } from '../../../src/risk/receive/settings.ts';
import { riskSettingsSchema } from '../../../src/risk/service/settings.ts';

const base = { policy: '/etc/latchkey/policy.json', mqtt: { url: 'mqtt://127.0.0.1' } };
const postgres = { postgres: { url_file: '/etc/latchkey/database.url' } };
const TRIALS = ['trust_emulated_tpm', 'trust_software_keys'] as const;

function problems(result: { readonly error?: { readonly issues: readonly { readonly path: PropertyKey[] }[] } }) {
  return (result.error?.issues ?? []).map(({ path }) => path.join('.'));
}

describe.each(TRIALS)('trial.%s', (name) => {
  const trial = { [name]: ['gw-0001'] };

  test.for([
    ['an embedded database that gives no receipts', {}, []],
    ['an embedded database with advisory receipts', { receipts: { role: 'advisory' } }, []],
    ['receipts of role store', { receipts: { role: 'store' } }, [`trial.${name}`]],
    ['PostgreSQL', { database: postgres }, [`trial.${name}`]],
    ['PostgreSQL with advisory receipts', { database: postgres, receipts: { role: 'advisory' } }, [`trial.${name}`]],
  ] as const)('in risk.yaml, with %s', ([, more, expected]) => {
    expect(problems(riskSettingsSchema.safeParse({ ...base, ...more, trial }))).toEqual(expected);
    expect(problems(riskSettingsSchema.safeParse({ ...base, ...more, trial: {} }))).toEqual([]);
  });

  test.for([
    ['receipts of role store, which it has unless told otherwise', {}, [`trial.${name}`]],
    ['an embedded database', { store: 'embedded', witness: { name: 'w', role: 'advisory' } }, []],
    ['PostgreSQL', { store: postgres, witness: { name: 'w', role: 'off' } }, [`trial.${name}`]],
  ] as const)('in receive.yaml, with %s', ([, more, expected]) => {
    const settings = { ...base, data_dir: '/var/lib/latchkey', witness: { name: 'w' }, ...more, trial };
    expect(problems(receiveSettingsSchema.safeParse(settings))).toEqual(expected);
  });
});
