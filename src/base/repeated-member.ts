/**
 * Whether some object in a JSON text has a member twice. RFC 8259 section 4 leaves open which of them counts, so two readers
 * may read two amounts out of one text; `JSON.parse` takes the last and says nothing.
 */

/** Of a text that `JSON.parse` takes. Needs no stack: a text may be as deep as it is long. */
export function repeatsMember(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      last = text.slice(at, end);
      at = end - 1;
    } else if (char === '{') open.push(new Set());
    else if (char === '[') open.push(undefined);
    else if (char === '}' || char === ']') open.pop();
    else if (char === ':') {
      const names = open.at(-1);
      // Escaped or not, it is one name.
      const name = String(JSON.parse(last));
      if (names?.has(name) === true) return true;
      names?.add(name);
    }
  }
  return false;
}

/** The place after its closing quotation mark. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
