/** A walk with the gateway, step by step: begins on demand, ends with its dialog. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { WalkLine } from '../../edge/contracts/console-view.ts';
import { useActing } from './acting.tsx';
import { textOf, walk } from './api.ts';

const LINES_MAX = 200;

export interface Walking {
  readonly lines: readonly WalkLine[];
  readonly state: 'idle' | 'walking' | 'over';
  /** What broke it off. */
  readonly wrong?: string;
}

export function useWalk(
  path: 'api/commission' | 'api/pair',
  what: string,
): { readonly walking: Walking; readonly begin: (body: object) => void } {
  const { guarded } = useActing();
  const [walking, setWalking] = useState<Walking>({ lines: [], state: 'idle' });
  const stop = useRef(new AbortController());
  // The gateway ends the walk when the connection goes.
  useEffect(() => () => stop.current.abort(), []);
  const begin = (body: object): void => {
    if (walking.state === 'walking') return;
    setWalking({ lines: [], state: 'walking' });
    const { signal } = stop.current;
    const run = async (csrf: string): Promise<void> => {
      for await (const line of walk(path, csrf, body, signal)) {
        setWalking((now) => ({ ...now, lines: [...now.lines, line].slice(-LINES_MAX) }));
      }
    };
    guarded(what, run).then(
      () => setWalking((now) => ({ ...now, state: 'over', ...cutOff(now.lines.at(-1)) })),
      (error: unknown) => {
        if (!signal.aborted) setWalking((now) => ({ ...now, state: 'over', wrong: textOf(error) }));
      },
    );
  };
  return { walking, begin };
}

/** A stream that ends without its last word was cut. */
function cutOff(last: WalkLine | undefined): { readonly wrong?: string } {
  if (last !== undefined && 'error' in last) return { wrong: `${last.error.message} (${last.error.code})` };
  if (last !== undefined && 'done' in last) return {};
  return { wrong: 'The gateway broke off before it said how it ended. Begin again.' };
}
