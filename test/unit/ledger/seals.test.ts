/** C23: a seal is compared only with one that is named in the same way, and what cannot be compared accuses nobody. */
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { explanationOf } from '../../../src/risk/api/explanation.ts';
import type { ParcelLedger } from '../../../src/risk/ledger/fold.ts';
import type { LedgerInput } from '../../../src/risk/ledger/inputs.ts';
import { claim, declared, deposit, entry, found, ledger, PARCEL } from './support.ts';

describe('a seal', () => {
  const recorded = (n: number, seal: string, more: JsonObject = {}): LedgerInput =>
    entry(n, 'seal.recorded', { state: 'intact', seal, ...more });
  const sealDeclared = (seal: string, minute = -30): LedgerInput => claim(minute, { what: 'declared', seal });
  const pseudonymOf = (key: string, letter: string): string => `${key}.${letter.repeat(21)}A`;
  const mine = pseudonymOf('k1', 'M');
  const untold = (of: ParcelLedger): readonly string[] => (of.facts.cannot_tell ?? []).map(({ code }) => code);
  const says = (of: ParcelLedger): readonly string[] => of.facts.forward.signals.map((one) => one.says);

  test.for<[string, readonly LedgerInput[], 'agrees' | 'differs' | 'open' | 'nothing']>([
    ['in clear text, declared and recorded alike', [sealDeclared('S-1'), recorded(2, 'S-1')], 'agrees'],
    ['in clear text, with blanks of a label', [sealDeclared(' S-1\t'), recorded(2, 'S-1')], 'agrees'],
    ['in clear text, of another number', [sealDeclared('S-1'), recorded(2, 'S-2')], 'differs'],
    ['under one key, of another number', [sealDeclared(mine), recorded(2, pseudonymOf('k1', 'O'))], 'differs'],
    ['under one key, alike', [sealDeclared(mine), recorded(2, mine)], 'agrees'],
    ['declared in clear and recorded as a pseudonym', [sealDeclared('S-1'), recorded(2, mine)], 'open'],
    ['declared as a pseudonym and recorded in clear', [sealDeclared(mine), recorded(2, 'S-1')], 'open'],
    ['recorded under another key', [recorded(2, mine), recorded(3, pseudonymOf('k2', 'O'))], 'open'],
    ['recorded for the first time', [recorded(2, mine)], 'nothing'],
    ['its gateway compared with what it had', [recorded(2, mine, { agrees: false })], 'differs'],
    [
      'declared in clear, recorded twice under one key as two',
      [sealDeclared('S-1'), recorded(2, mine), recorded(3, pseudonymOf('k1', 'O'))],
      'differs',
    ],
    [
      'declared anew: that of before says nothing of it',
      [sealDeclared('S-1'), recorded(2, mine), sealDeclared('S-2', 3), recorded(4, pseudonymOf('k1', 'O'))],
      'open',
    ],
  ])('%s', ([, inputs, answer]) => {
    const of = ledger(inputs);
    expect(found(of)).toEqual(answer === 'differs' ? ['C23'] : []);
    if (answer === 'open') expect(untold(of)).toEqual(['C23']);
    if (answer === 'nothing' || answer === 'agrees') expect(of.facts).not.toHaveProperty('cannot_tell');
    expect(says(of)).toEqual(answer === 'agrees' ? ['supports'] : answer === 'differs' ? ['contradicts'] : []);
  });

  test('whose declaration arrives late is judged as if it had come in time, and what was open is settled', () => {
    const scan = recorded(9, 'S-2');
    expect(found(ledger([scan]))).toEqual([]);
    expect(found(ledger([scan, sealDeclared('S-1')]))).toEqual(['C23']);
    // An entry of the hand-over, under the key of the locker, is told after that of the deposit.
    const open = [sealDeclared('S-1'), recorded(9, mine)];
    expect(untold(ledger(open))).toEqual(['C23']);
    const late = ledger([...open, recorded(2, pseudonymOf('k1', 'O'))]);
    expect(found(late)).toEqual(['C23']);
    expect(found(ledger([recorded(2, mine), ...open]))).toEqual([]);
  });

  test('that cannot be compared moves neither the grade nor the state', () => {
    const plain = ledger([declared(), deposit()]).facts;
    const { cannot_tell: open, ...rest } = ledger([
      declared(),
      sealDeclared('S-1'),
      deposit(),
      recorded(2, mine),
    ]).facts;
    expect(open).toMatchObject([{ code: 'C23', leg: 'forward', why: expect.stringContaining('cannot be compared') }]);
    expect({ ...rest, ledger_version: 0 }).toEqual({ ...plain, ledger_version: 0 });
    const facts = { parcels: [{ ...rest, cannot_tell: open }] };
    const { contradictions } = explanationOf({ decision: { reasons: [] }, facts } as never) as {
      readonly contradictions: readonly object[];
    };
    expect(contradictions).toContainEqual({
      code: 'C23',
      name: 'seal_mismatch',
      found: false,
      parcel: PARCEL.ref,
      cannot_tell: expect.stringContaining('another key'),
      events: [expect.stringMatching(/#2$/)],
    });
  });
});
