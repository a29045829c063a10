/**
 * Whether a visitor can show a page and says so, as browsers do when a person goes to an address. Programs
 * that take anything (`*\/*`) get what programs read.
 */
export function wantsHtml(accept: string | null | undefined): boolean {
  return accept?.toLowerCase().includes("text/html") === true;
}
