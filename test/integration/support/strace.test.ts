import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { runToEnd } from '../../../simulators/demo/child-process.ts';
import { parseStrace, readStrace, straceArgs, tracedPid } from '../../support/strace.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';

let dir: TempDir;
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Writes awkward bytes to a file, syncs, then writes two buffers to a socket. */
const PROGRAM = `
  const fs = require('node:fs'), net = require('node:net');
  const fd = fs.openSync(process.argv[1], 'w');
  fs.writeSync(fd, Buffer.from([0, 1, 255, 34, 92, 10, 44, 41]), 0, 8, 0);
  fs.fsyncSync(fd);
  const server = net.createServer((socket) => socket.on('data', () => { socket.destroy(); server.close(); }));
  server.listen(0, '127.0.0.1', () => {
    const client = net.connect(server.address().port, '127.0.0.1');
    client.cork(); client.write('a,b'); client.write('c)d'); client.uncork();
  });
`;

async function trace(inject: readonly string[] = []) {
  dir = makeTempDir('strace');
  cleanups.push(dir.remove);
  const logFile = dir.file('log');
  const options = { logFile, trace: ['pwrite64', 'fsync', 'writev', 'close'], inject };
  const ended = await runToEnd('strace', [
    ...straceArgs(options),
    process.execPath,
    '-e',
    PROGRAM,
    dir.file('out, "1")'),
  ]);
  return { logFile, ended, calls: readStrace(logFile) };
}

describe('strace as a witness', () => {
  test('tells each call with its file and its bytes, in order', async () => {
    const { logFile, ended, calls } = await trace();
    expect(ended.code).toBe(0);
    const path = dir.file('out, "1")');
    const write = calls.find((call) => call.name === 'pwrite64' && call.args[0]?.path === path);
    expect(write).toMatchObject({ result: 8, injected: false });
    expect([...(write?.args[1]?.buffers[0] ?? [])]).toEqual([...readFileSync(path)]);
    const sync = calls.find((call) => call.name === 'fsync' && call.args[0]?.path === path);
    expect(sync?.startLine).toBeGreaterThan(write?.endLine ?? Number.POSITIVE_INFINITY);
    const sent = calls.find((call) => call.name === 'writev' && call.args[0]?.path?.startsWith('socket:'));
    expect(sent?.args[1]?.buffers.map((buffer) => Buffer.from(buffer).toString())).toEqual(['a,b', 'c)d']);
    expect(tracedPid(logFile)).toBe(calls[0]?.pid);
    expect(calls[0]?.name).toBe('execve');
  });

  test('puts an error into a call, and says that it did', async () => {
    const { ended, calls } = await trace(['fsync:error=EIO:when=1']);
    expect(ended.code).not.toBe(0);
    expect(ended.err).toContain('EIO');
    expect(calls.filter((call) => call.name === 'fsync')).toMatchObject([{ result: -1, error: 'EIO', injected: true }]);
  });

  test('kills in a call, which is then not carried out', async () => {
    const { ended, calls } = await trace(['pwrite64:signal=SIGKILL:when=1']);
    expect(ended.signal).toBe('SIGKILL');
    expect(readFileSync(dir.file('out, "1")'))).toHaveLength(0);
    expect(calls.at(-1)?.name).toBe('pwrite64');
    expect(calls.at(-1)?.result).toBeUndefined();
  });

  test('joins what another thread interrupted', () => {
    const log = [
      '10 100.000001 fsync(3<\\x2f\\x61> <unfinished ...>',
      '11 100.000002 pwrite64(4<\\x2f\\x62>, "\\x00\\x3c", 2, 0) = 2',
      '10 100.000003 <... fsync resumed>)    = -1 EIO (\\x49)',
      '11 100.000004 --- SIGCHLD {si_signo=SIGCHLD} ---',
      '12 100.000005 write(5<\\x2f\\x63>, "\\x01", 1 <unfinished ...>',
      '12 100.000006 +++ killed by SIGKILL +++',
      '',
    ].join('\n');
    const calls = parseStrace(log);
    expect(calls.map(({ name, startLine, endLine }) => [name, startLine, endLine])).toEqual([
      ['fsync', 0, 2],
      ['pwrite64', 1, 1],
      ['write', 4, 4],
    ]);
    expect(calls[0]).toMatchObject({ error: 'EIO', args: [{ path: '/a' }] });
    expect(calls[2]?.result).toBeUndefined();
  });
});
