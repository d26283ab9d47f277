/** The wall: one tile for each compartment, grouped as the boards have them. A tile opens its sheet. */
import type { CompartmentView, ConsoleView } from '../../edge/contracts/console-view.ts';
import { sentence } from '../kit/words.ts';
import { Door } from './icons.tsx';
import { hashOf } from './route.ts';
import { DOOR_WORDS, fillOf, gramsText, lookOf } from './sayings.ts';

export function Wall({ view }: { readonly view: ConsoleView }) {
  const boards = new Map<string, CompartmentView[]>();
  for (const each of view.compartments) boards.set(each.device, [...(boards.get(each.device) ?? []), each]);
  if (boards.size === 0) {
    return (
      <p class="card hint">
        No compartment is set up. Name them in gateway.yaml under custody: compartments, and start the gateway again.
      </p>
    );
  }
  return (
    <>
      {[...boards].map(([device, compartments]) => {
        const why = whyOf(compartments);
        return (
          <section class="card board" key={device} aria-label={`Compartments of ${device}`}>
            <h2 class="board-name">{device}</h2>
            {why !== undefined && <p class="told unsure">{sentence(why)}</p>}
            <ul class="wall">
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
  const isBad = view.findings.some(
    (each) => each.severity === 'problem' && each.about === 'compartment' && each.name === name,
  );
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
          {lastRef}
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
