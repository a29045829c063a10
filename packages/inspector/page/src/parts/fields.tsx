import type { Field } from "../../../src/model.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "./text.tsx";

/** Header or trailer fields, in their order. */
export function Fields({ fields }: { readonly fields: readonly Field[] }) {
  return (
    <dl class="fields">
      {fields.map(([name, value], i) => (
        // A name may come more than once.
        <div key={`${i} ${name}`}>
          <dt>{printable(name, true)}</dt>
          <dd>
            <Plain text={value} oneLine limit={2_000} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
