import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { useKeyDown } from "./keys.ts";

export interface DialogProps {
  readonly title: string;
  /** Called for Escape, for the button, and for a click beside the dialog. */
  readonly onClose: () => void;
  /** Only the button closes it: what is in it cannot be seen again. */
  readonly isHeld?: boolean;
  readonly children: ComponentChildren;
}

/** A modal dialog. The browser keeps the focus in it. */
export function Dialog({ title, onClose, isHeld = false, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  // At once: any other effect waits for a frame, and until then keys would be those of the page behind.
  useLayoutEffect(() => {
    const focused = document.activeElement;
    dialog.current?.showModal();
    return () => {
      // Nothing behind the dialog takes the focus until Preact has taken it out of the document. Then the
      // browser gives the focus back to nobody.
      queueMicrotask(() => {
        // What had the focus may be gone by then, as a row that was deleted. The page itself has it then.
        const isThere = focused instanceof HTMLElement && focused !== document.body && focused.isConnected;
        const next = isThere ? focused : document.querySelector("main");
        next?.focus();
      });
    };
  }, []);
  // Escape is not left to the browser: Chromium closes a dialog by itself for an Escape after others with
  // nothing clicked in between. It says so a frame later, when another dialog may have been opened in it.
  useKeyDown((event) => {
    if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
    const isInFront = dialog.current?.querySelector("dialog[open]") === null;
    if (!isInFront) return;
    event.preventDefault();
    if (!isHeld) onClose();
  });
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      // The gesture to go back closes it, too. It stays open until it is taken away.
      onClose={() => {
        dialog.current?.showModal();
        if (!isHeld) onClose();
      }}
      // A click may begin in a text that is selected, and end beside the dialog.
      onPointerDown={(event) => {
        if (event.target === dialog.current && !isHeld) onClose();
      }}
    >
      <div class="dialog-inner">
        <div class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" class="button quiet" onClick={onClose}>
            Close
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
