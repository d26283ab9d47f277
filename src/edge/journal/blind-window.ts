/**
 * Counts what could not be recorded, so that it can be signed afterwards: which types, how many, when, and why.
 *
 * Held in memory: there was no room for it, that is the point. What a crash takes with it shows as the gap between two
 * starts, which `gateway.started` reports.
 */
import type { EventBody, JsonObject } from '../../evidence/event/event.ts';

export type BlindCause = 'disk_full' | 'queue_full' | 'io_error';

/** The vocabulary's bound for arrays; what is beyond it is a count. */
const TYPES_NAMED_MAX = 16;

interface Window {
  readonly fromUpMs: number;
  toUpMs: number;
  readonly byType: Map<string, number>;
}

export class BlindWindow {
  readonly #windows = new Map<BlindCause, Window>();

  /** `upMs` is when the event was observed. */
  count(cause: BlindCause, type: string, upMs: number): void {
    let window = this.#windows.get(cause);
    if (window === undefined) {
      window = { fromUpMs: upMs, toUpMs: upMs, byType: new Map() };
      this.#windows.set(cause, window);
    }
    window.toUpMs = Math.max(window.toUpMs, upMs);
    window.byType.set(type, (window.byType.get(type) ?? 0) + 1);
  }

  get isEmpty(): boolean {
    return this.#windows.size === 0;
  }

  /** The bodies that say it, one per cause. From here on counting begins anew: the caller records them. */
  take(): readonly EventBody[] {
    const bodies = [...this.#windows].map(([cause, window]) => ({
      type: 'exception.reported',
      data: { what: 'events_not_recorded', blind: blindData(cause, window) },
    }));
    this.#windows.clear();
    return bodies;
  }
}

function blindData(cause: BlindCause, window: Window): JsonObject {
  const types = [...window.byType].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const named = types.slice(0, TYPES_NAMED_MAX).map(([type, count]) => ({ count, type }));
  const events = types.reduce((sum, [, count]) => sum + count, 0);
  const more = types.length - named.length;
  return {
    by_type: named,
    ...(more > 0 && { by_type_more: more }),
    cause,
    events,
    from_up_ms: window.fromUpMs,
    to_up_ms: window.toUpMs,
  };
}
