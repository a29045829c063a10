import { areKeysOn, turnKeys } from "./keys.ts";
import { Dialog } from "./parts/dialog.tsx";

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
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              {key.split("  ").map((each) => (
                <kbd key={each}>{each}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={areKeysOn.value}
          onChange={(event) => turnKeys(event.currentTarget.checked)}
        />
        Letters and signs are keys
      </label>
    </Dialog>
  );
}
