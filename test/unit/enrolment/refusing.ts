/**
 * What those files share in which every reason of the table is reached, each by one thing that is wrong about a box that is
 * otherwise sound.
 */
import { afterAll, beforeAll, expect } from 'vitest';
import type { Result } from '../../../src/base/result.ts';
import { type EnrolRefusal, REFUSALS } from '../../../src/risk/enrolment/reasons.ts';
import { TestBox } from '../../support/test-box.ts';
import { type Bench, makeBench, makeVendors, type Vendors } from './bench.ts';

export interface Refusing {
  readonly vendors: Vendors;
  readonly bench: Bench;
  soundBox(): TestBox;
  isRefused(result: Result<unknown, string>, reason: EnrolRefusal): void;
  /** Throws when a reason of those was reached by no test of this file; there are more than `atLeast`. */
  allReached(isOwn: (reason: string) => boolean, atLeast: number): void;
}

/** Call it once in a file: it makes the vendors and the service before its tests, and removes their files after them. */
export function refusing(): Refusing {
  const reached = new Set<string>();
  let made: { readonly vendors: Vendors; readonly bench: Bench } | undefined;
  let boxes = 0;
  const ready = () => {
    if (made === undefined) throw new Error('only inside of tests');
    return made;
  };
  beforeAll(async () => {
    const vendors = makeVendors();
    made = { vendors, bench: await makeBench(vendors) };
  });
  afterAll(() => made?.vendors.dir.remove());
  return {
    get vendors() {
      return ready().vendors;
    },
    get bench() {
      return ready().bench;
    },
    soundBox() {
      boxes += 1;
      return ready().vendors.certified(new TestBox(`gw-${boxes}`));
    },
    isRefused(result, reason) {
      expect(result.ok ? 'accepted' : result.reason).toBe(reason);
      reached.add(reason);
    },
    allReached(isOwn, atLeast) {
      const own = Object.keys(REFUSALS).filter(isOwn);
      expect(own.length).toBeGreaterThan(atLeast);
      expect(own.filter((reason) => !reached.has(reason))).toEqual([]);
    },
  };
}
