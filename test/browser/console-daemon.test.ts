/**
 * The console as a technician meets it: a browser at the real daemon, with its boards, its scanner, a broker, a consumer, a
 * TPM and a disk of its own, and each of them failing in turn.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Rig } from '../process/support/rig.ts';
import { COMPARTMENTS } from '../process/support/rig.ts';
import { type SmallDisk, startOnSmallDisk } from '../process/support/small-disk.ts';
import { makeTpmRig, type TpmRig } from '../process/support/tpm-rig.ts';
import { codeOf, makePeople, PASSWORD } from '../support/console-bench.ts';
import { type Locker, startLocker } from '../support/locker.ts';
import { until } from '../support/until.ts';
import { keepPicture, type OpenedPage, openAt, startBrowser } from './browser.ts';

const DISK_MIB = 24;
/** Less than journal.free_min_mib. */
const ROOM_BYTES = 1_000_000;
const REMEDY_WORDS_MIN = 5;

let tpmRig: TpmRig;
let rig: Rig;
let locker: Locker;
let disk: SmallDisk;
let browser: Browser;
let opened: OpenedPage;
let page: Page;
let url = '';

beforeAll(async () => {
  [tpmRig, browser] = await Promise.all([makeTpmRig({ board: true }), startBrowser()]);
  rig = tpmRig.rig;
  await rig.gateway.stop();
  const people = makePeople((name) => rig.dir.file(name));
  // Nothing but the gateway lets these doors open: one that opens otherwise is forced.
  const compartments = COMPARTMENTS.map((name, i) => {
    return { name, device: 'board-1', channel: i + 1, polarity: 'closed_is_1', controlled: true };
  });
  const { ports = [] } = rig.gatewaySettings as { readonly ports?: readonly { readonly name: string }[] };
  // Firmware on a line of its own, which nobody has paired.
  locker = await startLocker({ dir: rig.dir.path });
  const wire = {
    name: 'wire',
    link: { kind: 'serial', path: locker.path, backoff_max_ms: 250 },
    poll: { cycle_ms: 50 },
    devices: [{ driver: 'latchkey', name: 'bank-c', channels: 12, key_file: rig.dir.file('keys', 'bank-c.json') }],
  };
  rig.gatewaySettings = {
    ...rig.gatewaySettings,
    // A machine that is held up still hears its board in time.
    ports: [
      ...ports.map((port) =>
        port.name === 'bank' ? { ...port, poll: { cycle_ms: 100, reply_timeout_ms: 1_500 } } : port,
      ),
      wire,
    ],
    custody: { compartments },
    doors: { seen_within_ms: 30_000 },
    journal: { reserve_mib: 1, free_min_mib: 4, retry_first_ms: 50, retry_max_ms: 200 },
    console: { people, web: { port: 0 } },
  };
  rig.newGateway('gw-rig');
  disk = await startOnSmallDisk(rig, DISK_MIB);
  await until('the console is served', () => {
    url = servedUrl(rig);
    return url !== '';
  });
  opened = await openAt(browser, url);
  page = opened.page;
});

afterAll(async () => {
  await browser?.close();
  await locker?.stop();
  await tpmRig?.close();
});

function servedUrl({ gateway }: Rig): string {
  const lines = [...gateway.lines('err'), ...gateway.lines('out')];
  return lines.flatMap((line) => /"url":"([^"]+)","msg":"the console is served"/.exec(line)?.[1] ?? []).at(-1) ?? '';
}

async function signIn(person: string, password = PASSWORD): Promise<void> {
  await page.getByLabel('Name').fill(person);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function go(to: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(to)}`);
}

async function tile(name: string, text: string | RegExp): Promise<void> {
  await page.locator(`[data-compartment="${name}"]`, { hasText: text }).waitFor();
}

/** A finding stands on the page of the site, with something to do about it. */
async function finds(about: string, text: RegExp): Promise<void> {
  await go('site');
  const found = page.locator(`.findings [data-about=${about}]`, { hasText: text });
  await found.waitFor();
  const remedy = (await found.locator('.remedy').textContent()) ?? '';
  expect(remedy.split(' ').length, remedy).toBeGreaterThan(REMEDY_WORDS_MIN);
}

async function findsNoMore(about: string): Promise<void> {
  await page.locator(`.findings [data-about=${about}]`).first().waitFor({ state: 'detached' });
}

test('a wrong password is refused, and a viewer looks and may not act', async () => {
  await signIn('viewer-1', 'not the password');
  await page.getByRole('alert').getByText('not known here').waitFor();
  await signIn('viewer-1');
  await tile('a1', 'Shut');
  await go('site/a1');
  await page.getByText('You look as a viewer').waitFor();
  expect(await page.getByRole('button', { name: /Open/ }).count()).toBe(0);
  // Nor whoever writes the request by hand.
  const answer = await page.evaluate(`fetch('api/session').then((session) => session.json()).then(({ csrf }) =>
    fetch('api/act', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-latchkey-csrf': csrf },
      body: JSON.stringify({ verb: 'open', compartment: 'a1' }),
    }).then((said) => said.status))`);
  expect(answer).toBe(403);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
});

test('a technician opens a door with a second factor, and sees the door, the event and who did it', async () => {
  await signIn('tech-1');
  await tile('a1', 'Shut');
  await go('site/a1');
  await page.getByRole('button', { name: 'Open a1' }).click();
  await page.getByRole('button', { name: 'Open a1 now' }).click();
  await page.getByLabel('Code').fill(codeOf(rig.dir.file('tech-1.totp')));
  await page.getByRole('button', { name: 'Continue' }).click();
  const outcome = page.locator('dialog .act-told .told');
  await outcome.waitFor();
  expect(await outcome.textContent()).toMatch(/^Opened after/);
  await page.keyboard.press('Escape');
  await tile('a1', 'Open');
  await page.locator('.stream .entry-line', { hasText: 'Done at the console' }).filter({ hasText: 'tech-1' }).waitFor();
  rig.site?.shut('a1');
  await tile('a1', 'Shut');
});

test('a scan shows as it happens, with no page asked for again', async () => {
  rig.feed.scan(1);
  const scanned = page.locator('.stream .entry-line', { hasText: 'Code scanned' });
  await scanned.waitFor();
  await go('devices');
  await page.locator('[data-device=scanner-1]', { hasText: 'last scan' }).waitFor();
  await go('site');
});

test('a door is commissioned from the page: what to do is said, and what was seen', async () => {
  await go('devices');
  await page.getByLabel(/one of all|Walk again/).selectOption('a1');
  await page.getByRole('button', { name: 'All doors are shut, begin' }).click();
  await page.getByText('Open this door').waitFor();
  rig.site?.open('a1');
  await page.getByText('Now shut it').waitFor();
  rig.site?.shut('a1');
  await page.getByText('Commissioned: it was seen closed, open and closed, and signed.').waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
});

test('firmware is paired from the page with the code of its label, found under its key, and given another one', async () => {
  await finds('device', /bank-c on port wire is faulted: nobody has given it a key \(not_paired\)/);
  await go('devices');
  const device = page.locator('[data-device=bank-c]');
  const pair = page.getByRole('button', { name: 'Pair', exact: true });
  await device.getByRole('button', { name: 'Pair bank-c' }).click();
  await page.getByLabel('Pairing code').fill(`${locker.pairingCode.slice(0, -1)}?`);
  await pair.click();
  await page.getByRole('alert').locator('.told').waitFor();
  await page.locator('input[name=code]:focus').fill(locker.pairingCode);
  await pair.click();
  await page.getByRole('status').getByText('Paired. The gateway uses the new key already.').waitFor();
  await page.getByRole('dialog').getByText(locker.identity).first().waitFor();
  await page.locator('button:focus', { hasText: 'Done' }).click();
  await device.locator('.badge', { hasText: 'found' }).waitFor();
  // With no code, a device that is paired gets another key.
  await device.getByRole('button', { name: 'Pair bank-c' }).click();
  await pair.click();
  await page.locator('.steps', { hasText: 'key 2 is in use' }).waitFor();
  await page.getByRole('status').getByText('Paired.').waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
  await device.locator('.badge', { hasText: 'found' }).waitFor();
  await go('journal');
  const acted = page.locator('.row', { hasText: 'Done at the console' }).filter({ hasText: 'pair a device · paired' });
  await acted.first().waitFor();
  // Neither the code of the label nor a part of it is said to anybody.
  expect(await page.content()).not.toContain(locker.pairingCode.slice(0, 12));
  expect(rig.gateway.lines('err').join('\n')).not.toContain(locker.pairingCode.slice(0, 12));
  await go('site');
});

test('a forced door is a problem, then a notice, and over when somebody has counted', async () => {
  await go('site');
  rig.site?.open('a2');
  await tile('a2', /Open.*problem/);
  await finds('compartment', /The door of a2 was forced/);
  rig.site?.shut('a2');
  await finds('compartment', /a2 was forced .* shut again/);
  await page.getByRole('button', { name: 'Recount' }).click();
  await page.getByRole('button', { name: 'Recount all compartments' }).click();
  await findsNoMore('compartment');
});

test('a board whose cable is pulled leaves doors that were seen last, and says so', async () => {
  await rig.site?.unplug('bank');
  await finds('port', /Port bank is (lost|opening)/);
  await page.locator('.board', { hasText: /seen last|is lost|is opening/ }).waitFor();
  await rig.site?.plug('bank');
  await findsNoMore('port');
  await tile('a1', 'Shut');
});

test('a dead broker is said, with what waits', async () => {
  rig.tap.proxy.admit(false);
  rig.tap.proxy.cut();
  await finds('broker', /The broker is not connected/);
  await go('health');
  await page.getByRole('region', { name: 'Broker' }).getByText('leave by themselves').waitFor();
  await go('site');
  rig.tap.proxy.admit(true);
  await findsNoMore('broker');
});

test('a full disk is said', async () => {
  disk.fill(ROOM_BYTES);
  await finds('disk', /Room on the disk/);
  disk.empty();
  await findsNoMore('disk');
});

test('a TPM that does not answer is said, and what it leaves without proof', async () => {
  tpmRig.bus.meddle({ command: () => ({ kind: 'cut' }) });
  // Something to anchor.
  rig.feed.scan(1);
  await finds('tpm', /TPM/);
  await go('health');
  await page.getByRole('region', { name: 'TPM' }).locator('.told').waitFor();
  await go('site');
  tpmRig.bus.meddle();
  await findsNoMore('tpm');
});

test('an unplugged scanner is said, and the page has asked nobody else in all this', async () => {
  await rig.feed.stop();
  await finds('port', /Port desk is (lost|opening)/);
  await keepPicture(page, 'daemon-unplugged');
  await go('devices');
  await page.locator('.line', { hasText: 'desk' }).locator('.told', { hasText: 'look at the cable' }).first().waitFor();
  const strange = opened.requests.filter((each) => !each.startsWith(url) && !each.startsWith('data:image/svg'));
  expect(strange).toEqual([]);
  expect(opened.complaints.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);
});
