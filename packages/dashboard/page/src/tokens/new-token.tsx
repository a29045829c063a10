import { copyText } from "mcp-tunnel-page/clipboard.ts";
import { Dialog } from "mcp-tunnel-page/dialog.tsx";
import { useRef } from "preact/hooks";
import type { NewToken } from "../../../src/model.ts";

export interface NewTokenDialogProps {
  readonly created: NewToken;
  readonly title: string;
  readonly onClose: () => void;
}

/**
 * Shows a token, once. No key and no click beside the dialog closes it: nobody could see the token again.
 */
export function NewTokenDialog({ created: { id, token }, title, onClose }: NewTokenDialogProps) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <Dialog title={title} onClose={onClose} isHeld>
      <p>
        The relay keeps no token, only its digest. <strong>This is the only time that it is shown.</strong>
      </p>
      <div class="new-token">
        <input
          ref={field}
          class="field mono"
          readOnly
          value={token}
          aria-label={`The token ${id}`}
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" class="button primary" onClick={() => void copyText(token, "the token")}>
          Copy
        </button>
      </div>
      <p class="muted">
        Its owner gives it to the client as <code>MCP_TUNNEL_TOKEN</code>, or with{" "}
        <code>mcp-tunnel-client login</code>.
      </p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
