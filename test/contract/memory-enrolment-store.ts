/** The enrolment store in memory, for tests of the service. */
import type { ClaimKind, EnrolmentStore, TokenRow } from '../../src/risk/enrolment/store.ts';

export class MemoryEnrolmentStore implements EnrolmentStore {
  readonly #events = new Map<string, string[]>();
  readonly #claims = new Map<string, string>();
  readonly #tokens = new Map<string, TokenRow>();
  /** Runs before each append: somebody else is faster. */
  beforeAppend: (() => Promise<void>) | undefined;

  async gateways(): Promise<readonly string[]> {
    return [...this.#events.keys()].sort();
  }

  async read(gateway: string): Promise<readonly string[]> {
    return [...(this.#events.get(gateway) ?? [])];
  }

  async append(gateway: string, at: number, text: string): Promise<'stored' | 'conflict'> {
    const before = this.beforeAppend;
    this.beforeAppend = undefined;
    await before?.();
    const events = this.#events.get(gateway) ?? [];
    if (at !== events.length) return 'conflict';
    this.#events.set(gateway, [...events, text]);
    return 'stored';
  }

  async claim(kind: ClaimKind, id: string, gateway: string): Promise<string> {
    const name = `${kind}-${id}`;
    const holder = this.#claims.get(name) ?? gateway;
    this.#claims.set(name, holder);
    return holder;
  }

  async addTokens(tokens: readonly TokenRow[]): Promise<void> {
    for (const row of tokens) this.#tokens.set(row.hash, row);
  }

  async token(hash: string): Promise<TokenRow | undefined> {
    return this.#tokens.get(hash);
  }
}
