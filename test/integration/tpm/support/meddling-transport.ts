/** A transport whose responses a test may change, as somebody on the bus does, without a socket in between. */
import type { SendOptions, TpmTransport } from '../../../../src/edge/tpm/transport.ts';

export class MeddlingTransport implements TpmTransport {
  readonly target: string;
  readonly resourceManaged: boolean;
  readonly #inner: TpmTransport;
  /** Gives what the client gets in place of a response. */
  meddle: (response: Uint8Array, command: Uint8Array) => Uint8Array = (response) => response;

  constructor(inner: TpmTransport) {
    this.target = inner.target;
    this.resourceManaged = inner.resourceManaged;
    this.#inner = inner;
  }

  async send(command: Uint8Array, options: SendOptions): Promise<Uint8Array> {
    const response = await this.#inner.send(command, options);
    return this.meddle(response, command);
  }

  reset(): void {
    this.#inner.reset();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
