/** The path of an entry through the tree, drawn from the leaf up to the signed root. */
import type { TreePath } from './tree-path.ts';

export function Path({ path, isProved }: { readonly path: TreePath; readonly isProved: boolean }) {
  const { index, size, leafHash, steps, root } = path;
  const words = `Path of entry ${index} to the root of the checkpoint over ${size} entries, ${steps.length} steps`;
  return (
    <figure class="path">
      <figcaption>{words}</figcaption>
      <ol>
        <li>
          <Hash text={leafHash} kind="node" name="leaf" />
        </li>
        {steps.map(({ side, sibling, result }, i) => (
          <li key={`${i} ${sibling}`} class={side}>
            <Hash text={sibling} kind="sibling" name={`joined with, on the ${side}`} />
            <Hash text={result} kind={i === steps.length - 1 ? 'node root' : 'node'} name="gives" />
          </li>
        ))}
      </ol>
      <p class="hint">
        {isProved
          ? `The last hash is the root ${short(root)}, which the log signed.`
          : 'Computed from the file; the verdict says whether the log signed its root.'}
      </p>
    </figure>
  );
}

function Hash({ text, kind, name }: { readonly text: string; readonly kind: string; readonly name: string }) {
  return (
    <span class={`hash ${kind}`} title={text}>
      <span class="unseen">{name} </span>
      {short(text)}
    </span>
  );
}

function short(hash: string): string {
  return `${hash.slice(0, 8)}…`;
}
