/**
 * How often a password may be tried, so that guessing is slow and nobody honest is kept out for long.
 *
 * Wrong passwords are counted by address, and all tries together are bounded, since each costs work. A browser in which
 * this person signed in before has a cookie that proves it, and is counted by itself: a flood of wrong tries from elsewhere
 * does not keep it out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). Nothing here locks anybody for
 * good, since then whoever knows a name could keep its owner out.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { base64url, utf8 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { RateLimit } from './rate-limit.ts';

const NONCE_BYTES = 16;
const COOKIE = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;
const TOGETHER = 'together';

export interface SignInRates {
  /** Wrong passwords from one address a minute. */
  readonly perAddress: number;
  /** Wrong passwords from one known browser a minute. */
  readonly perBrowser: number;
  /** Tries of unknown browsers a minute, in all. */
  readonly together: number;
}

export interface SignInTry {
  readonly address: string;
  /** As `knownBrowser` has it; undefined for others. */
  readonly browser: string | undefined;
}

export class SignInLimit {
  readonly #addresses: RateLimit;
  readonly #browsers: RateLimit;
  readonly #together: RateLimit;

  constructor(clock: Clock, rates: SignInRates) {
    this.#addresses = new RateLimit(clock, rates.perAddress);
    this.#browsers = new RateLimit(clock, rates.perBrowser);
    this.#together = new RateLimit(clock, rates.together);
  }

  /** Whether this one may be tried now; asked before anything is computed. */
  admit({ address, browser }: SignInTry): boolean {
    if (browser !== undefined) return this.#browsers.hasRoom(browser);
    return this.#addresses.hasRoom(address) && this.#together.allow(TOGETHER);
  }

  wrong({ address, browser }: SignInTry): void {
    if (browser === undefined) this.#addresses.allow(address);
    else this.#browsers.allow(browser);
  }
}

/**
 * The value of the cookie for a browser in which this person has just signed in. `secret` is known to the server alone and
 * changes with the password: so does the proof.
 */
export function browserCookie(person: string, secret: string): string {
  const nonce = base64url(Uint8Array.from(randomBytes(NONCE_BYTES)));
  return `${nonce}.${proofOf(person, secret, nonce)}`;
}

/** The browser's name among those of this person; undefined when the cookie proves nothing. */
export function knownBrowser(cookie: string | undefined, person: string, secret: string): string | undefined {
  const [, nonce = '', said = ''] = COOKIE.exec(cookie ?? '') ?? [];
  if (nonce === '') return undefined;
  return timingSafeEqual(utf8(proofOf(person, secret, nonce)), utf8(said)) ? `${person} ${nonce}` : undefined;
}

function proofOf(person: string, secret: string, nonce: string): string {
  return createHmac('sha256', secret).update(`browser of ${person} ${nonce}`).digest('base64url');
}
