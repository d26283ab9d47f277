/**
 * A database that breaks at the nth step: before a statement, or when a commit was done and its answer is on the way.
 * From then on nothing gets through, as from a process that is dead; or the next step does, as after a broken connection.
 */
import type { KyselyPlugin } from 'kysely';
import { RiskDatabase } from '../../src/risk/store/open-database.ts';

export class BreakingDatabase {
  readonly database: RiskDatabase;
  /** Steps so far. */
  steps = 0;
  /** What was about to be done when it broke. */
  brokenAt: string | undefined;
  readonly #breakAt: number;
  readonly #staysBroken: boolean;

  constructor(inner: RiskDatabase, breakAt: number, options: { readonly staysBroken: boolean }) {
    this.#breakAt = breakAt;
    this.#staysBroken = options.staysBroken;
    const plugin: KyselyPlugin = {
      transformQuery: ({ node }) => {
        this.#step(node.kind);
        return node;
      },
      transformResult: async ({ result }) => result,
    };
    this.database = RiskDatabase.make(inner.kysely.withPlugin(plugin), inner.durable, () => undefined);
    const begun = this.database.as.bind(this.database);
    this.database.as = async (role, work) => {
      const answer = await begun(role, work);
      this.#step('the answer to a commit');
      return answer;
    };
  }

  #step(what: string): void {
    this.steps += 1;
    const breaks = this.#staysBroken ? this.steps >= this.#breakAt : this.steps === this.#breakAt;
    if (!breaks) return;
    this.brokenAt ??= what;
    throw new Error('the connection broke');
  }
}

/** In one transaction takes everything of custody away, against all its guards: only an owner of the server may. */
export const EMPTY_CUSTODY = [
  "set local session_replication_role = 'replica'",
  'truncate custody.log, custody.entry, custody.trust, custody.lease, custody.replica cascade',
] as const;
