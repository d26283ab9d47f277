/**
 * Whose credential was granted at which device, for as long as its holder may choose doors there. In memory only: after a
 * restart a courier shows his credential again.
 */
import type { Credential } from './credential.ts';

export interface Session {
  readonly credential: Credential;
  readonly reach: readonly string[];
  readonly method: string;
}

export class Sessions {
  readonly #lengthMs: number;
  readonly #open = new Map<string, Session & { readonly untilUpMs: number }>();

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  begin(device: string, session: Session, upMs: number): void {
    this.#open.set(device, { ...session, untilUpMs: upMs + this.#lengthMs });
  }

  /** Somebody else stands there now. */
  end(device: string): void {
    this.#open.delete(device);
  }

  at(device: string, upMs: number): Session | undefined {
    const session = this.#open.get(device);
    if (session === undefined || upMs <= session.untilUpMs) return session;
    this.#open.delete(device);
    return undefined;
  }
}
