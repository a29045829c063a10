import { useState } from "preact/hooks";
import { JsonView } from "./json.tsx";

/** JSON that is read only when it is wanted. */
export function Folded({ summary, text }: { readonly summary: string; readonly text: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="folded" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {isOpen && <JsonView text={text} label={summary} />}
    </details>
  );
}
