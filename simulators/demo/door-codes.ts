/**
 * People who come in by codes. A door may stay shut for reasons of its own (its board does not answer for a moment, a
 * frame is lost on the line): then the same code is typed again, or a new one is asked for, as people do.
 */
import { LatchkeyError } from '../../src/base/errors.ts';
import type { Actor, CustodyEvent } from '../../src/evidence/event/event.ts';
import type { Site } from '../site.ts';
import { about, type Feed } from './feed.ts';
import type { Service } from './service.ts';
import { COMPARTMENTS, KEYPAD } from './stage.ts';

export interface Visitor {
  readonly actor: Actor;
  readonly compartment: string;
  readonly code: string;
}

export interface DoorCodeParts {
  readonly site: Site;
  readonly feed: Feed;
  readonly service: Service;
}

const TRIES_MAX = 8;

export class DoorCodes {
  readonly #parts: DoorCodeParts;

  constructor(parts: DoorCodeParts) {
    this.#parts = parts;
  }

  async grant({ code, actor, compartment }: Visitor): Promise<void> {
    const { feed, service } = this.#parts;
    const started = await feed.after(0, 'start', ({ type }) => type === 'gateway.started');
    const newest = feed.last(({ type }) => type === 'gateway.started') ?? started;
    await service.grant(code, actor, compartment, String(newest.data['access_key']));
  }

  /** Types the code until the door stands open. Resolves with the time of that (`performance.now()`) and the code that did it. */
  async enter(visitor: Visitor): Promise<{ readonly openedMs: number; readonly code: string }> {
    const { feed, site } = this.#parts;
    const { compartment } = visitor;
    let { code } = visitor;
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      await this.#boardAnswers(compartment);
      const mark = feed.size;
      site.type(KEYPAD, code);
      const said = await feed.after(mark, `answer to a code at ${compartment}`, (entry) =>
        isAnswer(entry, compartment),
      );
      if (said.type === 'door.opened') {
        await feed.after(mark, `end of the opening of ${compartment}`, about('unlock.ended', compartment));
        return { openedMs: performance.now(), code };
      }
      // A refused opening gave the use back; one whose frame left did not.
      if (said.type === 'unlock.ended') {
        code = String(Number(visitor.code) + tries);
        await this.grant({ ...visitor, code });
      }
    }
    throw new LatchkeyError('TIMED_OUT', `${compartment} did not open for a code in ${TRIES_MAX} tries`);
  }

  /** The newest that is known of its board is that it answers. */
  async #boardAnswers(compartment: string): Promise<void> {
    const { feed } = this.#parts;
    const board = COMPARTMENTS.find(({ name }) => name === compartment)?.board;
    const isAbout = ({ type, device }: CustodyEvent): boolean =>
      device === board && (type === 'device.lost' || type === 'device.found');
    if (feed.last(isAbout)?.type !== 'device.lost') return;
    await feed.after(feed.size, `answer of ${board}`, (entry) => isAbout(entry) && entry.type === 'device.found');
  }
}

function isAnswer({ type, compartment, data }: CustodyEvent, at: string): boolean {
  if (compartment !== at) return false;
  if (type === 'door.opened') return true;
  if (type === 'access.refused') return String(data['reason']).startsWith('door_');
  return type === 'unlock.ended' && data['result'] !== 'opened';
}
