import { signal } from "@preact/signals";

/** What has just been done or has failed, for a few seconds. Screen readers are told. */
export const notice = signal<{ readonly text: string; readonly isError: boolean } | undefined>(undefined);

const shownMs = 6_000;
let timer: ReturnType<typeof setTimeout> | undefined;

export function say(text: string, isError = false): void {
  clearTimeout(timer);
  notice.value = { text, isError };
  timer = setTimeout(() => {
    notice.value = undefined;
  }, shownMs);
}
