/**
 * The order in which files of tests start: those that wait for processes, devices and browsers are spread among those that
 * compute, so that all cores have work for as long as the run lasts, and the longest of each kind start first.
 */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { LONGEST, WAITING } from './test-files.ts';

export class MixedOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { root } = this.ctx.config;
    const nameOf = ({ moduleId }: TestSpecification): string => relative(root, moduleId);
    const rankOf = (file: TestSpecification): number => {
      const rank = LONGEST.indexOf(nameOf(file));
      return rank < 0 ? LONGEST.length : rank;
    };
    // Those that run apart come first: a worker that the others share ends when one of these is next.
    const apartFirst = ({ project }: TestSpecification): number => (project.config.isolate ? 0 : 1);
    const sorted = (await super.sort(files)).sort((a, b) => rankOf(a) - rankOf(b));
    const waiting = sorted.filter((file) => WAITING.test(nameOf(file)));
    const computing = sorted.filter((file) => !WAITING.test(nameOf(file)));
    return [...placed(waiting), ...placed(computing)]
      .sort(([a], [b]) => a - b)
      .map(([, file]) => file)
      .sort((a, b) => apartFirst(a) - apartFirst(b));
  }
}

/** Evenly between 0 and 1. */
function placed<T>(files: readonly T[]): readonly (readonly [place: number, file: T])[] {
  return files.map((file, i) => [(i + 0.5) / files.length, file]);
}
