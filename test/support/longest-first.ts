/**
 * The order in which files of tests start: those that are known to be long first, so that no worker ends long after the
 * others. Those that share a process come after the others: a process ends when the next file is one that shares none.
 */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { LONGEST } from './test-files.ts';

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { root } = this.ctx.config;
    const rankOf = ({ moduleId, project }: TestSpecification): number => {
      const rank = LONGEST.indexOf(relative(root, moduleId));
      return (rank < 0 ? LONGEST.length : rank) + (project.config.isolate ? 0 : 2 * LONGEST.length);
    };
    return (await super.sort(files)).sort((a, b) => rankOf(a) - rankOf(b));
  }
}
