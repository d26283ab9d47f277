/** What `gateway.alive` says beside its interval: how the box fares, and how much was heard since the one before. */
import { statfsSync } from 'node:fs';
import type { JsonObject } from '../../evidence/event/event.ts';
import type { ReadingSink } from '../contracts/reading.ts';
import type { Line } from '../drivers/line.ts';
import type { JournalStatus } from '../journal/journal-status.ts';

export interface AliveFactsParts {
  /** The data directory: its file system is the one that the journal fills. */
  readonly dataDir: string;
  readonly journal: { status(): JournalStatus };
  readonly lines: () => readonly Line[];
}

export class AliveFacts {
  readonly #parts: AliveFactsParts;
  #readings = 0;

  constructor(parts: AliveFactsParts) {
    this.#parts = parts;
  }

  /** The sink with every reading counted: none in an interval tells a silent site from a quiet one. */
  counting(sink: ReadingSink): ReadingSink {
    return (reading) => {
      this.#readings += 1;
      sink(reading);
    };
  }

  /** Counting begins anew with each call. */
  take(): JsonObject {
    const { dataDir, journal, lines } = this.#parts;
    const status = journal.status();
    const states = lines().map((line) => line.status());
    const open = states.filter((line) => line.state === 'open').length;
    const log = status.logs.find((one) => one.origin === status.open);
    const readings = this.#readings;
    this.#readings = 0;
    return {
      ...freeKib(dataDir),
      rss_kib: Math.round(process.memoryUsage.rss() / 1_024),
      queued: status.waiting,
      receipted_size: log?.receiptedSize ?? 0,
      ports_open: open,
      ports_lost: states.length - open,
      devices_lost: states.flatMap((line) => line.devices).filter((device) => device.state === 'lost').length,
      readings,
    };
  }
}

/** A disk that does not even answer that says nothing of it. */
function freeKib(directory: string): JsonObject {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return { disk_free_kib: Math.floor((bavail * bsize) / 1_024) };
  } catch {
    return {};
  }
}
