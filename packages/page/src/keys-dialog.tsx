import { Dialog } from "./dialog.tsx";
import { areKeysOn, turnKeys } from "./keys.ts";

export interface KeysDialogProps {
  /** Keys with what they do. Two spaces stand between two keys that do the same. */
  readonly keys: readonly (readonly [key: string, what: string])[];
  readonly onClose: () => void;
}

/** The keys of the page. Letters as keys can be turned off there. */
export function KeysDialog({ keys, onClose }: KeysDialogProps) {
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
