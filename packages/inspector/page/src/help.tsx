import { KeysDialog } from "mcp-tunnel-page/keys-dialog.tsx";

const keys: readonly (readonly [key: string, what: string])[] = [
  ["j  ↓", "next request or call"],
  ["k  ↑", "previous request or call"],
  ["Home  End", "newest, oldest"],
  ["Page Up  Page Down", "a page up, down"],
  ["Enter", "show the details"],
  ["Escape", "close the details, or go back"],
  ["/", "search"],
  ["e", "errors only, or all"],
  ["f", "all filters"],
  ["r", "replay or edit"],
  ["c", "mark, then compare"],
  ["y", "copy as curl"],
  ["p", "pause, or resume"],
  ["?", "this list"],
];

export function HelpDialog({ onClose }: { readonly onClose: () => void }) {
  return <KeysDialog keys={keys} onClose={onClose} />;
}
