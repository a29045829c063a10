import type { CallOutcome, McpCall } from "../../../src/model.ts";
import { printable } from "mcp-tunnel-page/printable.ts";

export const outcomes: Readonly<Record<CallOutcome, readonly [className: string, text: string]>> = {
  open: ["mcp", "running"],
  ok: ["good", "ok"],
  error: ["bad", "error"],
  tool_error: ["bad", "tool error"],
  cancelled: ["", "cancelled"],
  cut: ["warn", "no answer"],
};

export function Outcome({ call }: { readonly call: Pick<McpCall, "outcome" | "error"> }) {
  const [className, text] = outcomes[call.outcome];
  const code = call.outcome === "error" && call.error?.code !== undefined ? ` ${call.error.code}` : "";
  return (
    <span class={`badge ${className}`}>
      {text}
      {code}
    </span>
  );
}

/** The tool, the prompt or the resource first: it is what a person looks for. */
export function CallName({ call }: { readonly call: Pick<McpCall, "method" | "name"> }) {
  if (call.name === undefined) return <span class="call-name">{printable(call.method, true)}</span>;
  return (
    <>
      <span class="call-name">{printable(call.name, true)}</span>{" "}
      <span class="muted">{printable(call.method, true)}</span>
    </>
  );
}
