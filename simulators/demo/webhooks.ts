/** What a merchant and a payment provider tell the service: webhooks as Standard Webhooks 1.0.0 signs them. */
import { createHmac, randomBytes } from 'node:crypto';
import { utf8 } from '../../src/base/bytes.ts';
import type { RiskService, RiskSource } from './risk-service.ts';

export class Webhooks {
  readonly #service: RiskService;
  readonly #source: RiskSource;

  constructor(service: RiskService, source: RiskSource) {
    this.#service = service;
    this.#source = source;
  }

  /** Resolves when the service has kept it. */
  async send(type: string, data: object): Promise<void> {
    const { name, key } = this.#source;
    const body = JSON.stringify({ type, timestamp: new Date().toISOString(), data });
    const id = `msg_${randomBytes(12).toString('hex')}`;
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
    await this.#service.ask({
      method: 'POST',
      path: `/v1/sources/${name}`,
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body: utf8(body),
    });
  }
}
