/**
 * The guards of all devices and of the site, as one: whether an attempt may be made now, and what it costs. What an
 * attempt costs is durable before its code is looked at, so that no power cut makes a guess free.
 */
import type { AccessStore } from './access-store.ts';
import { attempted, type Guard, granted, type LockoutRule, lockedFor } from './lockout.ts';
import type { AccessSettings } from './settings.ts';

const SITE = '*';

export interface Begun {
  readonly scopes: readonly { readonly scope: string; readonly before: Guard; readonly after: Guard }[];
  /** Failures at this device with this one. */
  readonly attempts: number;
  /** If it fails, for how long the next one waits. */
  readonly locksMs: number;
}

export class Attempts {
  readonly #store: AccessStore;
  readonly #device: LockoutRule;
  readonly #site: LockoutRule;

  constructor(store: AccessStore, lockout: AccessSettings['lockout']) {
    this.#store = store;
    const { first_s: firstS, forgive_s: forgiveS, free, max_s: maxS, site_free: siteFree } = lockout;
    const times = { firstMs: firstS * 1_000, maxMs: maxS * 1_000, forgiveMs: forgiveS * 1_000 };
    this.#device = { ...times, free };
    this.#site = { ...times, free: siteFree };
  }

  /** For how long no code is looked at there. */
  lockedMs(device: string): number {
    const { runMs } = this.#store.moment();
    return Math.max(...[device, SITE].map((scope) => lockedFor(this.#store.guard(scope), runMs)));
  }

  /** Throws ACCESS_STORE, and then no code may be looked at. */
  begin(device: string): Begun {
    const { runMs } = this.#store.moment();
    const scopes = [device, SITE].map((scope) => {
      const before = this.#store.guard(scope);
      return { scope, before, after: attempted(before, runMs, scope === SITE ? this.#site : this.#device) };
    });
    this.#store.setGuards(new Map(scopes.map(({ scope, after }) => [scope, after])));
    const locksMs = Math.max(...scopes.map(({ after }) => lockedFor(after, runMs)));
    return { scopes, attempts: scopes[0]?.after.failures ?? 1, locksMs };
  }

  /** What the guards are once this attempt was granted. */
  forgiven({ scopes }: Begun): ReadonlyMap<string, Guard> {
    return new Map(scopes.map(({ scope, before, after }) => [scope, granted(after, before)]));
  }
}
