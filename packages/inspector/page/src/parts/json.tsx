import { Plain } from "./text.tsx";

/** A JSON text. What is no JSON is shown as it is. */
export function JsonView({ text }: { readonly text: string }) {
  return (
    <pre class="text">
      <Plain text={text} />
    </pre>
  );
}
