/** The wall: one tile for each compartment, grouped as the boards have them. A tile opens its sheet. */
import { useState } from 'preact/hooks';
import type { CompartmentView, ConsoleView } from '../../edge/contracts/console-view.ts';
import { counted, countText, sentence, visible } from '../kit/words.ts';
import { Door } from './icons.tsx';
import { hashOf } from './route.ts';
import { DOOR_WORDS, fillOf, gramsText, lookOf } from './sayings.ts';

/** From so many doors on one looks for them by name. */
const FIND_FROM = 40;

export function Wall({ view }: { readonly view: ConsoleView }) {
  const [sought, setSought] = useState('');
  const isLarge = view.compartments.length >= FIND_FROM;
  const shown = isLarge ? view.compartments.filter((each) => isSought(each, view, sought)) : view.compartments;
  const boards = new Map<string, CompartmentView[]>();
  for (const each of shown) boards.set(each.device, [...(boards.get(each.device) ?? []), each]);
  if (view.compartments.length === 0) {
    return (
      <p class="card hint">
        No compartment is set up. Name them in gateway.yaml under custody: compartments, and start the gateway again.
      </p>
    );
  }
  return (
    <>
      {isLarge && (
        <div class="find">
          <label>
            Find a door
            <input
              type="search"
              value={sought}
              placeholder="name, parcel, open, unknown, problem"
              autocomplete="off"
              onInput={({ currentTarget }) => setSought(currentTarget.value)}
            />
          </label>
          <p class="hint" role="status">
            {sought !== '' && `${countText(shown.length)} of ${counted(view.compartments.length, 'door')}`}
          </p>
        </div>
      )}
      {[...boards].map(([device, compartments]) => {
        const why = whyOf(compartments);
        return (
          <section class="card board" key={device} aria-label={`Compartments of ${device}`}>
            <h2 class="board-name">{device}</h2>
            {why !== undefined && <p class="told unsure">{sentence(why)}</p>}
            <ul class={isLarge ? 'wall is-large' : 'wall'}>
              {compartments.map((each) => (
                <li key={each.name}>
                  <Tile compartment={each} view={view} saidAbove={why} />
                </li>
              ))}
            </ul>
          </section>
        );
      })}
    </>
  );
}

/** Each word that was typed stands in its name, its board, its parcel or its state. */
function isSought(compartment: CompartmentView, view: ConsoleView, sought: string): boolean {
  const { name, device, lastRef = '', maintenance } = compartment;
  const states = [DOOR_WORDS[lookOf(compartment, view)], fillOf(compartment) ?? '', maintenance ? 'maintenance' : ''];
  const problem = hasProblem(compartment, view) ? 'problem' : '';
  const text = [name, device, lastRef, ...states, problem].join(' ').toLowerCase();
  return sought
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function hasProblem({ name }: CompartmentView, { findings }: ConsoleView): boolean {
  return findings.some((each) => each.severity === 'problem' && each.about === 'compartment' && each.name === name);
}

/** Why most doors of a board are unknown, or were seen last: said once over them, and not in each tile. */
function whyOf(compartments: readonly CompartmentView[]): string | undefined {
  const whys = compartments.flatMap(({ doorWhy }) => doorWhy ?? []);
  const most = whys.find((each) => 2 * whys.filter((other) => other === each).length > compartments.length);
  return compartments.length > 1 ? most : undefined;
}

function Tile({
  compartment,
  view,
  saidAbove,
}: {
  readonly compartment: CompartmentView;
  readonly view: ConsoleView;
  readonly saidAbove: string | undefined;
}) {
  const { name, doorWhy, grams, lastRef, visited } = compartment;
  const look = lookOf(compartment, view);
  const fill = fillOf(compartment);
  const isBad = hasProblem(compartment, view);
  const facts = [
    ...(fill === undefined ? [] : [fill]),
    ...(grams === undefined ? [] : [gramsText(grams)]),
    ...(visited ? ['somebody is here'] : []),
  ];
  return (
    <a
      class={`tile ${look}${isBad ? ' has-problem' : ''}${doorWhy === undefined ? '' : ' is-doubtful'}`}
      href={hashOf({ page: 'site', name })}
      data-compartment={name}
    >
      <span class="tile-name">{name}</span>
      <Door look={look} isFull={fill !== undefined && fill !== 'empty'} />
      <span class="tile-state">{DOOR_WORDS[look]}</span>
      {facts.length > 0 && (
        <span class="tile-fact">
          {facts.map((fact) => (
            <span key={fact}>{fact} </span>
          ))}
        </span>
      )}
      {doorWhy !== undefined && doorWhy !== saidAbove && <span class="tile-why">{doorWhy}</span>}
      {lastRef !== undefined && (
        <span class="tile-ref" title={lastRef}>
          <span class="unseen">parcel </span>
          {visible(lastRef)}
        </span>
      )}
      <Badges compartment={compartment} isBad={isBad} />
    </a>
  );
}

function Badges({
  compartment: { maintenance, commissioned, door },
  isBad,
}: {
  readonly compartment: CompartmentView;
  readonly isBad: boolean;
}) {
  return (
    <span class="badges">
      {isBad && <span class="badge bad">problem</span>}
      {maintenance && <span class="badge">maintenance</span>}
      {!commissioned && door === 'unknown' && <span class="badge unsure">not commissioned</span>}
    </span>
  );
}
