/** What all stages share, and what they find. */
import type { Child } from '../../simulators/demo/child-process.ts';
import type { Mosquitto } from '../support/mosquitto.ts';

export interface Bench {
  /** A folder on a disk; everything of the run lies in it. */
  readonly folder: string;
  readonly broker: Mosquitto;
  /** Events of the backlog and of the export. */
  readonly events: number;
  readonly ingestS: number;
  progress(line: string): void;
  /** A process that must not outlive the benchmark, whatever becomes of its stage. */
  own(child: Child): Child;
}

export interface SyscallFigures {
  readonly commits: number;
  readonly fsyncs: number;
  readonly events: number;
}

export interface IngestFigures {
  readonly what: string;
  readonly perS: number;
  readonly durablePerS: number;
  readonly events: number;
  readonly perCommit: number;
  /** Processor time of the daemon for one event. */
  readonly cpuUs: number;
  /** Of the whole machine while it ran: 2 is both of two cores. */
  readonly busyCores: number;
  readonly refused: number;
  readonly rewinds: number;
}

export interface FloorFigures {
  /** In the order in which they ran. */
  readonly perS: readonly number[];
  readonly leafBytes: number;
}

export interface LatencyFigures {
  readonly samples: number;
  readonly durableP50Ms: number;
  readonly durableP99Ms: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly fsyncP50Ms: number;
  readonly fsyncP99Ms: number;
  readonly groupCommitMs: number;
}

export interface WireFigures {
  readonly entries: number;
  /** Bytes of the batch's PUBLISH packet for each event, and with the checkpoints that went along. */
  readonly bytes: number;
  readonly withCheckpoints: number;
}

export interface DrainFigures {
  readonly events: number;
  readonly fillPerS: number;
  readonly startupMs: number;
  readonly liveMs: number;
  readonly perS: number;
  readonly rssMaxMb: number;
  readonly rssMeanMb: number;
  readonly receiverRssMaxMb: number;
}

export interface VerifyFigures {
  readonly events: number;
  readonly exportPerS: number;
  readonly exportMb: number;
  readonly perS: number;
  /** Events for each second of processor time. */
  readonly perCoreS: number;
  readonly rssMaxMb: number;
}

export interface IdleFigures {
  readonly boards: number;
  readonly seconds: number;
  readonly cpuPct: number;
  /** The longest round of polls of a bus. */
  readonly cycleMs: number;
  readonly rssMb: number;
}

/** One protocol at one speed, on a cable that takes as long as a real one. */
export interface WireLine {
  readonly protocol: string;
  readonly baud: number;
  readonly looks: number;
  readonly bytesOut: number;
  readonly bytesBack: number;
  /** From the first bit of a question to the last of its answer. */
  readonly leastMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perS: number;
}

/** Processor time of a frame, sealed, framed, cut out and opened. */
export interface WireCost {
  readonly bodyBytes: number;
  readonly cUs: number;
  readonly tsUs: number;
}

export interface OpenWireFigures {
  readonly lines: readonly WireLine[];
  readonly costs: readonly WireCost[];
}

export interface AnchoredFigures {
  /** Events acknowledged a second, the best of each kind. */
  readonly withPerS: number;
  readonly withoutPerS: number;
  /** Made while events were flooding in. */
  readonly anchors: number;
}

export interface TpmFigures extends AnchoredFigures {
  /** One command and its answer: the bytes on a raw socket, by the client, and by the client in a protected session. */
  readonly rawMs: number;
  readonly commandMs: number;
  readonly protectedMs: number;
  readonly signP50Ms: number;
  readonly anchorP50Ms: number;
  readonly anchorP99Ms: number;
  readonly startupMs: number;
}
