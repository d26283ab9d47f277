/** Where the daemon's time goes: the samples of a V8 profile by the stage that an event passes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface StageTime {
  readonly stage: string;
  readonly seconds: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** The first that fits the nearest frame with a file names the stage: native work counts for who called it. */
const STAGES: readonly (readonly [RegExp, string])[] = [
  [/\/test\/bench\//, 'the injector'],
  [
    /\/node_modules\/better-sqlite3\/|\/journal\/(commit-rows|sqlite-file|log-handle|log-reads|meta-rows)/,
    'SQLite, fsync included',
  ],
  [
    /\/node_modules\/mqtt|\/node_modules\/mqtt-packet|\/platform\/mqtt\/|node:net|node:internal\/(stream|net)/,
    'MQTT and socket',
  ],
  [/\/platform\/node-crypto|\/evidence\/log\/tree/, 'hashes and tree'],
  [/\/edge\/keys\//, 'signatures'],
  [/\/edge\/custody\/|\/edge\/gateway\/custody-keeper|\/edge\/clock\//, 'custody'],
  [/\/evidence\/event\/(guard|field|cards|vocabulary|event-fields)/, 'guard and schema'],
  [/\/evidence\/event\/|\/edge\/journal\/leaf-maker/, 'leaf and references'],
  [/\/edge\/journal\/(outbox|batch-source|receipts|continuity|held-log)|\/evidence\/batch\//, 'batches'],
  [/\/edge\/journal\/|\/evidence\/log\//, 'journal'],
  [/\/edge\/uplink\//, 'uplink'],
];
const NAMED: ReadonlyMap<string, string> = new Map([
  ['(idle)', 'idle'],
  ['(garbage collector)', 'garbage collection'],
]);

/** Of the only profile in a folder, most first. */
export function stageTimes(folder: string): readonly StageTime[] {
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error(`${folder} holds no profile`);
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
  const byNode = stagesOf(profile);
  const microseconds = new Map<string, number>();
  for (const [i, id] of profile.samples.entries()) {
    const stage = byNode.get(id) ?? 'other';
    microseconds.set(stage, (microseconds.get(stage) ?? 0) + (profile.timeDeltas[i] ?? 0));
  }
  return [...microseconds].map(([stage, us]) => ({ stage, seconds: us / 1e6 })).sort((a, b) => b.seconds - a.seconds);
}

function stagesOf({ nodes }: Profile): ReadonlyMap<number, string> {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const stages = new Map<number, string>();
  for (const node of nodes) {
    let stage = NAMED.get(node.callFrame.functionName);
    for (let at: ProfileNode | undefined = node; stage === undefined && at !== undefined; ) {
      const { url } = at.callFrame;
      stage = STAGES.find(([pattern]) => pattern.test(url))?.[1];
      at = byId.get(parents.get(at.id) ?? -1);
    }
    stages.set(node.id, stage ?? 'other');
  }
  return stages;
}
