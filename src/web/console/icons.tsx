/** Drawings of the console. All are decoration: what they mean stands beside them in words. */
import type { DoorLook } from './sayings.ts';

export function KeyMark() {
  return (
    <svg class="key" viewBox="0 0 24 24" aria-hidden="true">
      <circle cx="8" cy="12" r="4.5" />
      <path d="M12.5 12H22M18 12v4M21 12v2.5" />
    </svg>
  );
}

const PAGE_PATHS: Readonly<Record<string, string>> = {
  site: 'M4 3h16v18H4zM12 3v18M4 9h16M4 15h16',
  journal: 'M6 3h12v18H6zM9.5 8h5M9.5 12h5M9.5 16h3',
  devices: 'M7 8h10v8H7zM9 8V4M15 8V4M9 20v-4M15 20v-4',
  health: 'M3 12h4l2.5-6 4.5 12 2.5-6H21',
};

export function PageIcon({ name }: { readonly name: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PAGE_PATHS[name] ?? ''} />
    </svg>
  );
}

const MARKS = {
  good: 'M5.5 12.5l4.2 4.2L18.5 8',
  bad: 'M12 6v7.5M12 17.6v.1',
  unsure: 'M12 11v6.5M12 6.6v.1',
} as const;

export function Mark({ tone }: { readonly tone: keyof typeof MARKS }) {
  return (
    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
      <path d={MARKS[tone]} />
    </svg>
  );
}

/** A compartment as one sees it from the front. */
export function Door({ look, isFull }: { readonly look: DoorLook; readonly isFull: boolean }) {
  return (
    <svg class={`door ${look}`} viewBox="0 0 64 48" aria-hidden="true">
      <rect class="frame" x="3" y="3" width="58" height="42" rx="4" />
      {look === 'shut' && <path class="handle" d="M53 20v8" />}
      {look === 'opening' && <path class="handle" d="M53 20v8M47 24h-9M41 20.500l-3.500 3.500 3.500 3.500" />}
      {(look === 'open' || look === 'shut') && isFull && (
        <g class="parcel">
          <path d="M22 25h18v14H22zM22 29.500h18M31 25v4.500" />
        </g>
      )}
      {look === 'open' && <path class="leaf" d="M3 6 15 1.500v45L3 42z" />}
      {look === 'unknown' && (
        <path class="question" d="M27.500 20a4.500 4.500 0 1 1 6.600 4c-1.500.8-2.100 1.700-2.100 3.300M32 31.800v.1" />
      )}
    </svg>
  );
}
