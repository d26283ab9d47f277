/** The page's ends of the simulator: what it shows, as it comes, and what hands ask of it. */
import { useEffect, useState } from 'preact/hooks';
import type { ActionRequest, SiteProblem, SiteView } from '../../../simulators/ui/view.ts';

export type Act = (request: ActionRequest) => Promise<boolean>;

export interface Seen {
  readonly view: SiteView | undefined;
  /** The simulator does not answer: `view` is how the site was. */
  readonly isAway: boolean;
}

/** Addresses are relative: a token that only the simulator knows stands in the page's own. */
export function useSite(): Seen {
  const [seen, setSeen] = useState<Seen>({ view: undefined, isAway: false });
  useEffect(() => {
    const source = new EventSource('api/live');
    source.addEventListener('view', (event) => setSeen({ view: JSON.parse(event.data) as SiteView, isAway: false }));
    // The browser asks again by itself, unless it was refused.
    source.addEventListener('error', () => setSeen(({ view }) => ({ view, isAway: true })));
    return () => source.close();
  }, []);
  return seen;
}

const LIMIT_MS = 15_000;

/** Undefined when it was done, or why it was not. */
export async function ask(request: ActionRequest): Promise<string | undefined> {
  try {
    const response = await fetch('api/act', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    if (response.ok) return undefined;
    const { title, detail } = (await response.json()) as SiteProblem;
    return detail ?? title;
  } catch {
    return 'the simulator does not answer: look whether "latchkey simulate" still runs';
  }
}
