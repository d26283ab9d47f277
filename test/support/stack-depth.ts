/**
 * How deep the stack of the C library can get, from what GCC says of each function (-fcallgraph-info=su): the heaviest path from each
 * public function. What is called from outside (memcpy, GCC's own helpers, the hooks of a firmware) counts nothing here.
 */
export interface StackDepth {
  readonly entry: string;
  readonly bytes: number;
  /** From the entry down. */
  readonly path: readonly string[];
}

interface Graph {
  readonly bytes: ReadonlyMap<string, number>;
  readonly calls: ReadonlyMap<string, readonly string[]>;
}

/** The deepest first. Throws when a function calls itself on any way, or its frame is not known when it is compiled. */
export function stackDepths(callgraphs: readonly string[]): readonly StackDepth[] {
  const graph = graphOf(callgraphs.join('\n'));
  const called = new Set([...graph.calls.values()].flat());
  const entries = [...graph.bytes.keys()].filter((name) => !called.has(name) || !name.includes(':'));
  return entries
    .map((entry) => ({ entry, ...heaviest(graph, entry, []) }))
    .sort((a, b) => b.bytes - a.bytes || (a.entry < b.entry ? -1 : 1));
}

function graphOf(text: string): Graph {
  const bytes = new Map<string, number>();
  const calls = new Map<string, string[]>();
  for (const [, title = '', label = ''] of text.matchAll(/^node: \{ title: "([^"]*)" label: "([^"]*)"/gm)) {
    const [, size, kind] = /\\n(\d+) bytes \(([^)]*)\)$/.exec(label) ?? [];
    if (size === undefined) continue;
    if (kind !== 'static' && kind !== 'dynamic,bounded') throw new Error(`${title}: its frame is ${kind}`);
    bytes.set(title, Number(size));
  }
  for (const [, from = '', to = ''] of text.matchAll(/^edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"/gm)) {
    calls.set(from, [...(calls.get(from) ?? []), to]);
  }
  return { bytes, calls };
}

function heaviest(graph: Graph, name: string, above: readonly string[]): Omit<StackDepth, 'entry'> {
  if (above.includes(name)) throw new Error(`${name} calls itself: ${above.join(', ')}`);
  const own = graph.bytes.get(name);
  if (own === undefined) return { bytes: 0, path: [] };
  let deepest: Omit<StackDepth, 'entry'> = { bytes: 0, path: [] };
  for (const callee of new Set(graph.calls.get(name))) {
    const below = heaviest(graph, callee, [...above, name]);
    if (below.bytes > deepest.bytes) deepest = below;
  }
  return { bytes: own + deepest.bytes, path: [name.split(':').at(-1) ?? name, ...deepest.path] };
}
