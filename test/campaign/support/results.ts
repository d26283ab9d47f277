/**
 * The campaign's memory: `test/campaign/RESULTS.md`, one row per scenario and Node version, renewed by each run.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface CampaignResult {
  /** Stable words: names the row. */
  readonly scenario: string;
  /** What was counted, for people. */
  readonly counts: string;
  readonly seed?: number;
  readonly startedMs: number;
}

const FILE = join(import.meta.dirname, '../RESULTS.md');
const HEAD = `# Campaign results

Written by \`npm run campaign\`; the newest run of each scenario stands here. A row is written only when the scenario
passed. \`CAMPAIGN_SEED=<seed>\` repeats the throws of a run, \`CAMPAIGN_KILLS=<n>\` sets the number of random kills.

`;
const COLUMNS: readonly string[] = ['scenario', 'Node', 'counts', 'seed', 'duration', 'date'];
const LOCK_TRIES = 500;

/** Seed of this run: given by CAMPAIGN_SEED, or drawn from the clock. */
export function campaignSeed(): number {
  const given = process.env['CAMPAIGN_SEED'];
  return given === undefined ? Date.now() % 1_000_000_007 : Number(given);
}

export function campaignKills(): number {
  return Number(process.env['CAMPAIGN_KILLS'] ?? 200);
}

export async function recordResult(result: CampaignResult): Promise<void> {
  const { scenario, counts, seed, startedMs } = result;
  const seconds = Math.round((Date.now() - startedMs) / 1_000);
  const date = new Date().toISOString().slice(0, 10);
  const row = [scenario, process.version, counts, String(seed ?? ''), `${seconds} s`, date];
  await locked(() => {
    const kept = readRows().filter(([name, node]) => name !== scenario || node !== process.version);
    const rows = [...kept, row].sort((a, b) => (`${a[0]} ${a[1]}` < `${b[0]} ${b[1]}` ? -1 : 1));
    writeFileSync(`${FILE}.new`, `${HEAD}${tableOf(rows)}`);
    renameSync(`${FILE}.new`, FILE);
  });
}

function readRows(): readonly (readonly string[])[] {
  if (!existsSync(FILE)) return [];
  const lines = readFileSync(FILE, 'utf8').split('\n');
  const rows = lines.filter((line) => /^\|.*\|$/.test(line)).map((line) => line.slice(1, -1).split('|'));
  return rows.slice(2).map((cells) => cells.map((cell) => cell.trim()));
}

/** As the formatter of this repository would write it. */
function tableOf(rows: readonly (readonly string[])[]): string {
  const all = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |\n`;
  const rule = line(widths.map((width) => '-'.repeat(width)));
  return [line(COLUMNS), rule, ...rows.map(line)].join('');
}

/** Two files of the campaign run side by side. */
async function locked(work: () => void): Promise<void> {
  const lock = `${FILE}.lock`;
  for (let tries = 1; ; tries += 1) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if (tries === LOCK_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  try {
    work();
  } finally {
    await rm(lock, { recursive: true });
    rmSync(`${FILE}.new`, { force: true });
  }
}
