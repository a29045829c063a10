import { type ReadonlySignal, signal } from "@preact/signals";

/** The details stand beside the list. In a narrower window they stand over it. */
export const isWide = follow("(min-width: 900px)");

function follow(query: string): ReadonlySignal<boolean> {
  const media = matchMedia(query);
  const matches = signal(media.matches);
  media.addEventListener("change", () => {
    matches.value = media.matches;
  });
  return matches;
}
