import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { messageOf } from "./api.ts";
import { Dialog } from "./dialog.tsx";
import { say } from "./notice.ts";

export interface QuestionProps {
  readonly title: string;
  /** The button that does it, in words that say what. */
  readonly answer: string;
  /** Does it. What it throws is told to the user. */
  readonly onAnswer: () => Promise<void>;
  readonly onClose: () => void;
  /** What will be, once it is done. */
  readonly children: ComponentChildren;
}

/** Asks before something is done that cannot be undone. */
export function Question({ title, answer, onAnswer, onClose, children }: QuestionProps) {
  const [isBusy, setBusy] = useState(false);
  const act = async (): Promise<void> => {
    setBusy(true);
    try {
      await onAnswer();
    } catch (error) {
      say(messageOf(error), true);
    }
    onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <div class="dialog-actions">
        <button type="button" class="button danger" disabled={isBusy} onClick={() => void act()}>
          {answer}
        </button>
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
