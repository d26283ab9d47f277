/** A walk with the gateway, step by step: begins on demand, ends with its dialog. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { WalkLine } from '../../edge/contracts/console-view.ts';
import { useActing } from './acting.tsx';
import { Refusal, textOf, walk } from './api.ts';
import { codeWords } from './event-words.ts';
import type { Found } from './find-out.ts';

const LINES_MAX = 200;

export interface Walking {
  readonly lines: readonly WalkLine[];
  readonly state: 'idle' | 'walking' | 'over';
  /** What broke it off. */
  readonly wrong?: string;
  /** The connection broke, and what the journal says of it, once it was asked. */
  readonly found?: Found | 'looking';
}

const VERBS = { 'api/commission': 'commission', 'api/pair': 'pair' } as const;

/** `targetOf` says of which door or device the walk was at that line. */
export function useWalk(
  path: keyof typeof VERBS,
  what: string,
  targetOf: (lines: readonly WalkLine[]) => string | undefined,
): { readonly walking: Walking; readonly begin: (body: object) => void } {
  const { guarded, sought, lookFor } = useActing();
  const [walking, setWalking] = useState<Walking>({ lines: [], state: 'idle' });
  const stop = useRef(new AbortController());
  // The gateway ends the walk when the connection goes.
  useEffect(() => () => stop.current.abort(), []);
  const walked = async (body: object): Promise<void> => {
    const { signal } = stop.current;
    const lines: WalkLine[] = [];
    const seek = sought(VERBS[path], undefined);
    const end = (more: Partial<Walking>): void => {
      if (!signal.aborted) setWalking((now) => ({ ...now, state: 'over', ...more }));
    };
    const run = async (csrf: string): Promise<void> => {
      for await (const line of walk(path, csrf, body, signal)) {
        lines.push(line);
        setWalking((now) => ({ ...now, lines: lines.slice(-LINES_MAX) }));
      }
    };
    try {
      await guarded(what, run);
      const last = lines.at(-1);
      if (last !== undefined && 'error' in last) return end({ wrong: `${last.error.message} (${last.error.code})` });
      if (last !== undefined && 'done' in last) return end({});
    } catch (error) {
      if (!(error instanceof Refusal) || !error.isUnknown) return end({ wrong: textOf(error) });
    }
    // Cut off before its last word.
    end({ found: 'looking' });
    end({ found: await lookFor({ ...seek, target: targetOf(lines) }) });
  };
  const begin = (body: object): void => {
    if (walking.state === 'walking' || walking.found === 'looking') return;
    setWalking({ lines: [], state: 'walking' });
    void walked(body);
  };
  return { walking, begin };
}

/** What the journal says of a walk whose connection broke; `done` is its word when it came to its end. */
export function foundText(found: Found | 'looking', target: string, done: string): string {
  if (found === 'looking') return 'The connection broke. Looking in the journal what came of it…';
  switch (found.kind) {
    case 'ended':
      return found.result === done
        ? `The connection broke, but the journal has it: ${target} is ${codeWords(done) ?? done}.`
        : `The connection broke, and the journal says of ${target}: ${codeWords(found.result) ?? found.result}. Begin again.`;
    case 'begun':
    case 'never':
      return `The connection broke, and the journal has nothing of ${target}: it is not ${codeWords(done) ?? done}. Begin again.`;
    case 'unknown':
      return `The connection broke, and the gateway does not answer. Whether ${target} is ${codeWords(done) ?? done} is not known; the journal has it when the gateway is back.`;
  }
}
