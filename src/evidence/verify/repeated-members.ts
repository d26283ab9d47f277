/**
 * Members that stand twice in one object of a JSON text. `JSON.parse` keeps the last of them in silence, so a person who
 * wrote two would be believed to have written one: which of them, nobody sees.
 *
 * One pass with a stack of its own: a text may nest as deep as it is long.
 */
const REPORTED_MAX = 100;

interface Frame {
  /** `logs[0]`, or empty for the whole text. */
  readonly path: string;
  /** Undefined in a list. */
  readonly seen: Set<string> | undefined;
  index: number;
  member: string;
}

/** Paths such as `logs[0].vkey`, at most 100, in the order of the text, which `JSON.parse` must have accepted. */
export function repeatedMembers(text: string): readonly string[] {
  const found: string[] = [];
  const stack: Frame[] = [];
  for (let at = 0; at < text.length && found.length < REPORTED_MAX; at += 1) {
    const frame = stack.at(-1);
    switch (text[at]) {
      case '{':
      case '[':
        stack.push({ path: pathIn(frame), seen: text[at] === '{' ? new Set() : undefined, index: 0, member: '' });
        break;
      case '}':
      case ']':
        stack.pop();
        break;
      case ',':
        if (frame !== undefined) frame.index += 1;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (frame?.seen !== undefined && isFollowedByColon(text, end)) {
          frame.member = String(JSON.parse(text.slice(at, end)));
          if (frame.seen.has(frame.member)) found.push(pathIn(frame));
          frame.seen.add(frame.member);
        }
        at = end - 1;
        break;
      }
    }
  }
  return [...new Set(found)];
}

/** Where the value stands that comes next in this object or list. */
function pathIn(frame: Frame | undefined): string {
  if (frame === undefined) return '';
  if (frame.seen === undefined) return `${frame.path}[${frame.index}]`;
  return frame.path === '' ? frame.member : `${frame.path}.${frame.member}`;
}

/** Index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** A string before a colon is a member's name, any other is a value (RFC 8259 section 4). */
function isFollowedByColon(text: string, end: number): boolean {
  let at = end;
  while (' \t\n\r'.includes(text[at] ?? ':')) at += 1;
  return text[at] === ':';
}
