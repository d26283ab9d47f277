/**
 * What access says in the journal: who was let in and who was not, by the id of the credential and never by its code.
 *
 * Whoever types without end must not fill the journal: of a lock, only its first attempt is told, and the next entry
 * tells how many there were.
 */
import type { Actor, EventBody, Json } from '../../evidence/event/event.ts';
import type { AppendAnswer, Appender } from '../contracts/appender.ts';
import type { Observed } from '../contracts/observed.ts';
import type { Opening } from './access-store.ts';

const ATTEMPTS_MAX = 9_999;

export interface GrantWords {
  readonly device: string;
  readonly actor: Actor;
  readonly credential: string;
  readonly method: string;
  readonly attempts: number;
  readonly compartment?: string;
}

export interface RefusalWords {
  readonly device: string;
  readonly method: string;
  readonly attempts: number;
  readonly reason: string;
  readonly lockedMs?: number;
  readonly credential?: string | undefined;
  readonly compartment?: string;
}

export class AccessWords {
  readonly #appender: Pick<Appender, 'append'>;
  /** Attempts during a lock that were not told, by device. */
  readonly #untold = new Map<string, number>();

  constructor(appender: Pick<Appender, 'append'>) {
    this.#appender = appender;
  }

  granted(observed: Observed, words: GrantWords): AppendAnswer {
    const { actor, attempts, compartment, credential, device, method } = words;
    const data = { attempts: this.#count(device, attempts), credential, method };
    const place = compartment === undefined ? { device } : { compartment, device };
    return this.#appender.append({ observed, body: { actor, ...place, data, type: 'access.granted' }, urgent: true });
  }

  refused(observed: Observed, words: RefusalWords): void {
    const { attempts, compartment, credential, device, lockedMs = 0, method, reason } = words;
    const untold = this.#untold.get(device);
    if (reason === 'locked' && untold !== undefined) {
      this.#untold.set(device, untold + 1);
      return;
    }
    const data: Record<string, Json> = { attempts: this.#count(device, attempts) };
    if (credential !== undefined) data['credential'] = credential;
    if (lockedMs > 0) data['locked_ms'] = Math.ceil(lockedMs);
    data['method'] = method;
    data['reason'] = reason;
    if (reason === 'locked') this.#untold.set(device, 0);
    const place = compartment === undefined ? { device } : { compartment, device };
    this.#say(observed, { ...place, data, type: 'access.refused' });
  }

  /** A credential was used up for a door in an earlier run, whose end was not seen here. */
  cut(observed: Observed, { compartment, credential }: Opening): void {
    const data = { detail: `credential ${credential}`, what: 'access_cut' };
    this.#say(observed, { compartment, data, type: 'exception.reported' });
  }

  lost(observed: Observed): void {
    this.#say(observed, { data: { what: 'access_store_damaged' }, type: 'exception.reported' });
  }

  /** With those that were not told. */
  #count(device: string, attempts: number): number {
    const untold = this.#untold.get(device) ?? 0;
    this.#untold.delete(device);
    return Math.min(attempts + untold, ATTEMPTS_MAX);
  }

  #say(observed: Observed, body: EventBody): void {
    this.#appender.append({ observed, body, urgent: true });
  }
}
