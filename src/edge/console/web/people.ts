/** Who may sign in, and by what password: files are read at each try, so that a changed password counts at once. */
import { explain } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import {
  isPassword,
  nobodyHash,
  PASSWORD_CHARS_MAX,
  type PasswordHash,
  readPasswordHash,
} from '../../../platform/http/password.ts';
import { knownBrowser, type SignInLimit } from '../../../platform/http/sign-in-limit.ts';
import type { Person } from '../settings.ts';

export type SignIn =
  | { readonly kind: 'known'; readonly person: Person; readonly secret: string }
  | { readonly kind: 'refused' }
  | { readonly kind: 'too_many' };

export interface SignInAsk {
  readonly name: string;
  readonly password: string;
  readonly address: string;
  /** Of a browser in which somebody signed in before. */
  readonly cookie: string | undefined;
}

export class People {
  readonly #people: ReadonlyMap<string, Person>;
  readonly #limit: SignInLimit;
  readonly #logger: Logger;
  /** Whoever is not known takes as long as whoever is. */
  readonly #nobody = nobodyHash();

  constructor(people: readonly Person[], limit: SignInLimit, logger: Logger) {
    this.#people = new Map(people.map((person) => [person.name, person]));
    this.#limit = limit;
    this.#logger = logger;
  }

  signIn({ name, password, address, cookie }: SignInAsk): SignIn {
    const person = this.#people.get(name);
    const hash = this.#hashOf(person);
    const browser = hash === undefined ? undefined : knownBrowser(cookie, name, hash.text);
    const tried = { address, browser };
    if (!this.#limit.admit(tried)) return { kind: 'too_many' };
    const fits = password.length <= PASSWORD_CHARS_MAX && isPassword(password, hash ?? this.#nobody);
    if (fits && person !== undefined && hash !== undefined) return { kind: 'known', person, secret: hash.text };
    this.#limit.wrong(tried);
    return { kind: 'refused' };
  }

  /** The hash of this person's password now; undefined when there is none that can be read. */
  secretOf(name: string): string | undefined {
    return this.#hashOf(this.#people.get(name))?.text;
  }

  #hashOf(person: Person | undefined): PasswordHash | undefined {
    if (person?.password_file === undefined) return undefined;
    try {
      const read = readPasswordHash(person.password_file);
      if (read.ok) return read.value;
      this.#logger.error({ person: person.name, found: read.detail }, 'a password file is no such file');
    } catch (error) {
      this.#logger.error({ person: person.name, error: explain(error) }, 'a password file cannot be used');
    }
    return undefined;
  }
}
