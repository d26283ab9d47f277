/**
 * The newest commits as they were made, so that the uplink need not read back from the disk what it has just seen go there.
 *
 * Only what is durable and noted gets in, and only for a moment: nothing is proved by it that a row would not prove, and
 * whatever rewrites rows empties it.
 */

/** A noted commit with every body. */
export interface CommitLines {
  readonly first: number;
  /** Tree size after it. */
  readonly size: number;
  readonly note: Uint8Array;
  /** The leaves, each with its newline: as they stand in a batch. */
  readonly lines: Uint8Array;
}

/** Several round trips of the uplink, at the pace of a flood; with commits of 48 KiB below 2 MiB. */
const KEPT_MAX = 32;

export class RecentCommits {
  /** Oldest first, each beginning where the one before ends. */
  #commits: CommitLines[] = [];

  keep(commit: CommitLines): void {
    if (this.#commits.at(-1)?.size !== commit.first) this.#commits = [];
    if (this.#commits.length === KEPT_MAX) this.#commits.shift();
    this.#commits.push(commit);
  }

  /** The one that begins there. */
  from(first: number): CommitLines | undefined {
    // Nearly always asked for among the oldest, in ascending order.
    return this.#commits.find((commit) => commit.first === first);
  }

  forget(): void {
    this.#commits = [];
  }
}
