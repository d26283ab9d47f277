/**
 * Sees to it that what the tests need from Debian is there: `node test/prepare.mjs test|campaign [needs.json]`.
 *
 * As root, or with sudo that asks nothing, it says what it installs and does it in one apt call. Otherwise it prints
 * that call and fails: a test is never skipped in silence. Plain Node, since it runs before anything is built.
 *
 * A package may bring a service of its own (mosquitto listens on port 1883 where services are started). The tests do
 * not use it: they start their own processes, on free ports, with their own settings.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A tier needs what the tiers before it need. */
const TIERS = ['test', 'campaign'];

function main([tier, file = join(import.meta.dirname, 'needs.json')]) {
  const level = TIERS.indexOf(tier);
  if (level < 0) return fail(`usage: node test/prepare.mjs ${TIERS.join('|')}`);
  const needs = JSON.parse(readFileSync(file, 'utf8'));
  const wanted = TIERS.slice(0, level + 1).flatMap((name) => needs[name] ?? []);
  const missing = missingOf(wanted);
  if (missing.length === 0) return 0;

  const packages = missing.map((need) => need.package);
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages];
  for (const need of missing) say(`needed: ${need.package} (${need.for})`);
  const as = privilege();
  if (as === undefined) {
    return fail(`run this as root, then try again:\n  apt-get update && ${install.join(' ')}`);
  }
  say(`installing: ${install.join(' ')}`);
  if (!run([...as, 'apt-get', 'update'])) say('apt-get update failed; trying with the lists that are here');
  if (!run([...as, ...install])) return fail(`this failed:\n  ${install.join(' ')}`);
  const still = missingOf(missing).map((need) => need.package);
  return still.length === 0 ? 0 : fail(`installed, but the probe still fails: ${still.join(', ')}`);
}

function missingOf(needs) {
  return needs.filter((need) => spawnSync('sh', ['-c', need.probe], { stdio: 'ignore' }).status !== 0);
}

/** What to put before a command so that root runs it, or undefined. */
function privilege() {
  const user = spawnSync('id', ['-u'], { encoding: 'utf8' }).stdout?.trim();
  if (user === '0') return [];
  if (spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0) return undefined;
  return ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive'];
}

function run([command, ...args]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0;
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function fail(text) {
  say(text);
  return 1;
}

process.exitCode = main(process.argv.slice(2));
