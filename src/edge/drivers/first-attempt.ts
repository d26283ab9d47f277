import { LatchkeyError } from '../../base/errors.ts';
import type { PortState, PortTrouble } from '../contracts/port.ts';

/** How the first attempt to open a port ended, for whoever asks, before or after. */
export class FirstAttempt {
  readonly ended: Promise<void>;
  readonly #port: string;
  #settle: ((error?: LatchkeyError) => void) | undefined;

  constructor(port: string) {
    this.#port = port;
    this.ended = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Nobody has to ask.
    this.ended.catch(() => undefined);
  }

  note(state: PortState, reason: string, trouble: PortTrouble | undefined): void {
    if (state === 'opening') return;
    this.#settle?.(
      trouble === 'PORT_BUSY' ? new LatchkeyError('PORT_BUSY', `port ${this.#port}: ${reason}`) : undefined,
    );
    this.#settle = undefined;
  }
}
