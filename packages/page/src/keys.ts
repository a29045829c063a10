import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { stored } from "./storage.ts";

export type Keys = Readonly<Record<string, (event: KeyboardEvent) => void>>;

const storageKey = "mcp-tunnel-page-keys";

/** Programs for speech type letters that nobody meant as keys, so keys can be turned off (WCAG 2.1.4). */
export const areKeysOn = signal(stored(() => localStorage.getItem(storageKey)) !== "off");

export function turnKeys(areOn: boolean): void {
  areKeysOn.value = areOn;
  stored(() => localStorage.setItem(storageKey, areOn ? "on" : "off"));
}

/**
 * Keys for a whole view, by `KeyboardEvent.key`. They are off while the user types, while a dialog is open,
 * and with a modifier other than Shift. A later caller does not replace an earlier one.
 */
export function useKeys(keys: Keys): void {
  useKeyDown((event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
    if (event.key.length === 1 && !areKeysOn.peek()) return;
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
    if (act === undefined) return;
    event.preventDefault();
    act(event);
  });
}

/** Calls `onKey` for each key pressed in the window, as long as the component is in the document. */
export function useKeyDown(onKey: (event: KeyboardEvent) => void): void {
  // Any other effect waits for a frame, which is late on a busy machine. Until then a key would be lost, or
  // would mean what it meant before.
  useLayoutEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}

function isTyping(target: EventTarget | null): boolean {
  const fields = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  return target instanceof Element && target.closest(fields) !== null;
}
