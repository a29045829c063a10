/** Whether `version` comes after `own`. Both are versions of releases, such as 0.10.0. */
export function isNewer(version: string, own: string): boolean {
  const [theirs, ours] = [numbersOf(version), numbersOf(own)];
  const at = theirs.findIndex((number, i) => number !== (ours[i] ?? 0));
  return at !== -1 && (theirs[at] ?? 0) > (ours[at] ?? 0);
}

function numbersOf(version: string): number[] {
  return version.split(/[.-]/, 3).map((part) => Number.parseInt(part, 10) || 0);
}
