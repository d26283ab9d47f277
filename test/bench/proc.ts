/** What Linux says about a process and this machine. */
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** USER_HZ, the unit of the times in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_S = 100;
const PAGE_BYTES = 4_096;

/** Resident memory, MB of 1,000,000 bytes; 0 when the process is gone. */
export function residentMb(pid: number): number {
  const pages = Number(readProc(`/proc/${pid}/statm`).split(' ')[1] ?? 0);
  return (pages * PAGE_BYTES) / 1e6;
}

/** Processor seconds that the process has used so far, user and system. */
export function cpuSeconds(pid: number): number {
  const stat = readProc(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything; utime and stime are the 14th and 15th fields.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_S;
}

/** Looks every 50 ms until stopped; the kernel's own high-water mark catches what lies between. */
export class MemoryWatch {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #maxMb = 0;
  #sumMb = 0;
  #looks = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#look(), 50);
  }

  /** Highest and mean, MB. */
  stop(): { readonly maxMb: number; readonly meanMb: number } {
    clearInterval(this.#timer);
    const highWaterKib = Number(/VmHWM:\s+(\d+)/.exec(readProc(`/proc/${this.#pid}/status`))?.[1] ?? 0);
    return {
      maxMb: Math.max(this.#maxMb, (highWaterKib * 1_024) / 1e6),
      meanMb: this.#sumMb / Math.max(1, this.#looks),
    };
  }

  #look(): void {
    const mb = residentMb(this.#pid);
    if (mb === 0) return;
    this.#maxMb = Math.max(this.#maxMb, mb);
    this.#sumMb += mb;
    this.#looks += 1;
  }
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gb: number;
  readonly kernel: string;
  readonly node: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 1e9),
    kernel: readProc('/proc/sys/kernel/osrelease').trim(),
    node: process.version,
  };
}

/** Processor seconds of the whole machine that were not idle, since its start. */
export function busySeconds(): number {
  const fields = (readProc('/proc/stat').split('\n')[0] ?? '').split(/\s+/).slice(1, 9).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_S;
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
