/** Looks through what a command printed for programs: no bytes that were written as an object of numbers, no Buffer. */
export function leakedBytes(text: string): readonly string[] {
  const leaks: string[] = [];
  walk(JSON.parse(text), '', leaks);
  return leaks;
}

function walk(value: unknown, path: string, leaks: string[]): void {
  if (typeof value !== 'object' || value === null) return;
  const names = Object.keys(value);
  const isCounted = !Array.isArray(value) && names.length > 0 && names.every((name, i) => name === `${i}`);
  const isBuffer = 'type' in value && value.type === 'Buffer';
  if (isCounted || isBuffer) leaks.push(path);
  for (const [name, inner] of Object.entries(value)) walk(inner, `${path}/${name}`, leaks);
}
