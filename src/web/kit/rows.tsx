/** Facts with their names, in two columns. */
import type { ComponentChildren } from 'preact';

export interface Row {
  readonly label: string;
  readonly value: ComponentChildren;
}

export function Rows({ rows }: { readonly rows: readonly Row[] }) {
  return (
    <dl class="rows">
      {rows.map(({ label, value }, i) => (
        <div key={`${i} ${label}`}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
