import { useState } from "preact/hooks";
import type { ToolInfo } from "../../../src/model.ts";
import { bytesText } from "mcp-tunnel-page/format.ts";
import { JsonView } from "../parts/json.tsx";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "../parts/text.tsx";

/** A tool as the server has described it, folded. */
export function ToolView({ tool }: { readonly tool: ToolInfo }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="tool" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="call-name">{printable(tool.name, true)}</span>{" "}
        {tool.title !== undefined && <span class="muted">{printable(tool.title, true)}</span>}{" "}
        <ToolHints tool={tool} /> <span class="tool-size muted">{bytesText(tool.bytes)}</span>
      </summary>
      {isOpen && (
        <div class="tool-inner">
          {tool.description !== undefined && (
            <p class="said">
              <Plain text={tool.description} />
            </p>
          )}
          <JsonView text={JSON.stringify(tool.inputSchema)} label={`Schema of ${tool.name}`} />
        </div>
      )}
    </details>
  );
}

/** What the server says of what the tool changes. */
function ToolHints({ tool }: { readonly tool: ToolInfo }) {
  if (tool.readOnly) return <span class="badge good">read only</span>;
  return (
    <>
      {tool.destructive && <span class="badge warn">destructive</span>}
      {tool.idempotent && <span class="badge">idempotent</span>}
    </>
  );
}
