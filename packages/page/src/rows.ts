/**
 * Arrows, j and k, Home and End move the focus among the links of a list that are its rows. Tab leads to one.
 */
export function moveAmongLinks(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.currentTarget instanceof Element)) return;
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-row]")];
  const at = links.findIndex((link) => link === event.target);
  if (at === -1) return;
  const to = { ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: links.length - 1 }[
    event.key
  ];
  if (to === undefined) return;
  links[Math.max(0, Math.min(links.length - 1, to))]?.focus();
  event.preventDefault();
  event.stopPropagation();
}
