/**
 * What came of an act, where it was asked for: a live region that outlasts the button, takes the focus when the button that
 * had it is gone, and is said at the foot of the page when its own place is no more.
 */
import { type ComponentChildren, createContext } from 'preact';
import { useCallback, useContext, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { LOOKING, type Outcome } from './outcomes.ts';

interface Told {
  /** The place where it was asked for. */
  readonly place: string;
  readonly outcome: Outcome;
}

interface Telling {
  readonly told: Told | undefined;
  /** Places that are drawn now. */
  readonly places: readonly string[];
  tell(place: string, outcome: Outcome | undefined): void;
  /** Returns what takes it away again. */
  draw(place: string): () => void;
}

const TellingContext = createContext<Telling | undefined>(undefined);

interface Place {
  readonly name: string;
  /** Whoever had the focus here is about to go. */
  catchFocus(): void;
}

const PlaceContext = createContext<Place | undefined>(undefined);

export function TellingProvider({ children }: { readonly children: ComponentChildren }) {
  const [told, setTold] = useState<Told | undefined>();
  const [places, setPlaces] = useState<readonly string[]>([]);
  const tell = useCallback((place: string, outcome: Outcome | undefined) => {
    setTold(outcome === undefined ? undefined : { place, outcome });
  }, []);
  const draw = useCallback((place: string) => {
    setPlaces((now) => [...now, place]);
    return () => {
      setPlaces((now) => {
        const at = now.indexOf(place);
        return [...now.slice(0, at), ...now.slice(at + 1)];
      });
      // What was read there is over; what is still looked for is said elsewhere.
      setTold((now) => (now?.place === place && now.outcome !== LOOKING ? undefined : now));
    };
  }, []);
  const telling = useMemo(() => ({ told, places, tell, draw }), [told, places, tell, draw]);
  return <TellingContext.Provider value={telling}>{children}</TellingContext.Provider>;
}

function useTelling(): Telling {
  const telling = useContext(TellingContext);
  if (telling === undefined) throw new Error('no TellingProvider stands above');
  return telling;
}

/** Around buttons that act; below them stands what came of it. */
export function ActPlace({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  const { told, draw } = useTelling();
  const status = useRef<HTMLDivElement>(null);
  useEffect(() => draw(name), [draw, name]);
  const catchFocus = useCallback(() => {
    // After what is drawn next: if nothing else has taken it by then.
    setTimeout(() => {
      if (document.activeElement === null || document.activeElement === document.body || isGone()) {
        status.current?.focus();
      }
    });
  }, []);
  const place = useMemo(() => ({ name, catchFocus }), [name, catchFocus]);
  const outcome = told?.place === name ? told.outcome : undefined;
  return (
    <PlaceContext.Provider value={place}>
      {children}
      <div ref={status} class="act-told" role="status" tabIndex={-1}>
        {outcome !== undefined && <p class={`told ${outcome.tone}`}>{outcome.text}</p>}
      </div>
    </PlaceContext.Provider>
  );
}

/** A dialog takes the focus that its content lost. */
function isGone(): boolean {
  return document.activeElement?.tagName === 'DIALOG';
}

/** Where the buttons around are, and how to say what came of them, also after they went. */
export function useActPlace(): Place & { readonly say: (outcome: Outcome | undefined) => void } {
  const { tell } = useTelling();
  const place = useContext(PlaceContext);
  if (place === undefined) throw new Error('no ActPlace stands above');
  const { name } = place;
  const say = useCallback((outcome: Outcome | undefined) => tell(name, outcome), [tell, name]);
  return { ...place, say };
}

/** What was asked for at a place that is no more: a sheet that was closed, another page. */
export function ToldElsewhere() {
  const { told, places, tell } = useTelling();
  const isElsewhere = told !== undefined && !places.includes(told.place);
  return (
    <div role="status">
      {isElsewhere && (
        <div class={`told-elsewhere told ${told.outcome.tone}`}>
          <p>
            <strong>{told.place}:</strong> {told.outcome.text}
          </p>
          <button type="button" class="link" onClick={() => tell(told.place, undefined)}>
            Close
          </button>
        </div>
      )}
    </div>
  );
}
