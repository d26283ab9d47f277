/** How tests ask the page of a simulated site what no button asks, and how they measure what a click leads to. */
import { request } from 'node:http';
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { FAULT_WORDS, LINE_FAULTS, type LineFault } from '../../../simulators/faults/kinds.ts';
import type { GatewayStatus } from '../../../src/edge/gateway/status.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** `url`: of the page, with its token. */
export async function postTo(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${url}api/act`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: response.status === 204 ? undefined : await response.json() };
}

/** With headers that `fetch` does not let one choose, and a path as it is written. */
export function asked(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const { hostname, port } = new URL(url);
  const path = url.slice(new URL(url).origin.length);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

/**
 * A fault of what is said next on a line, chosen by its words from the list of all, in words. What is given back waits until
 * the line says that it happened once.
 */
export async function letHappen(line: Locator, fault: LineFault): Promise<() => Promise<void>> {
  const more = line.getByText('More faults');
  await more.click();
  const next = line.getByLabel('What is said next suffers');
  expect(await next.locator('option').allTextContents()).toEqual(LINE_FAULTS.map((kind) => FAULT_WORDS[kind]));
  await next.selectOption({ label: FAULT_WORDS[fault] });
  await line.getByRole('button', { name: /^Let it happen/ }).click();
  await line.getByRole('button', { name: `waits: ${FAULT_WORDS[fault]}` }).waitFor();
  await more.click();
  return () => line.locator('.counts', { hasText: `${FAULT_WORDS[fault]} (1)` }).waitFor();
}

/**
 * From a click in one page to a new line of the console's list in the other, in milliseconds: both look at the machine's
 * clock, so that the pace of the test is not in it. `line` is a regular expression.
 */
export async function clickedToShown(
  clicked: { readonly page: Page; readonly click: () => Promise<void> },
  shown: { readonly page: Page; readonly line: RegExp },
): Promise<number> {
  await clicked.page.evaluate(
    `document.addEventListener('click', () => { window.clickedMs = Date.now(); }, { once: true, capture: true })`,
  );
  await shown.page.evaluate(`(() => {
    const newest = () => Math.max(-1, ...[...document.querySelectorAll('.stream li')]
      .filter((line) => ${shown.line}.test(line.textContent)).map((line) => Number(line.dataset.n)));
    const before = newest();
    window.shownMs = new Promise((resolve) => {
      new MutationObserver((_, observer) => {
        if (newest() <= before) return;
        observer.disconnect();
        resolve(Date.now());
      }).observe(document.body, { subtree: true, childList: true });
    });
  })()`);
  await clicked.click();
  const shownMs = (await shown.page.evaluate('window.shownMs')) as number;
  return shownMs - ((await clicked.page.evaluate('window.clickedMs')) as number);
}

/** Questions to boards so far. */
export function askedOf(lines: GatewayStatus['lines']): number {
  return lines.flatMap(({ devices }) => devices).reduce((sum, { polls }) => sum + (polls?.asked ?? 0), 0);
}
