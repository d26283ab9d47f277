/** One thing that is wrong in a file that a person wrote. */
export interface SettingsProblem {
  /** `ports[0].devices[1].address`, or `line 12` where the text is not YAML. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
}

export function describeProblem(problem: SettingsProblem): string {
  return `${problem.path}: expected ${problem.expected}, found ${problem.found}`;
}
