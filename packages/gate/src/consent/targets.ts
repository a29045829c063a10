import { ownPaths } from "../paths.js";

export type PageName = "request" | "waiting" | "cancel" | "loggedIn";

/** Other methods are refused. HEAD is for pages that change nothing. */
export const methods: Readonly<Record<PageName, readonly string[]>> = {
  request: ["GET", "HEAD", "POST"],
  waiting: ["GET", "HEAD"],
  cancel: ["GET"],
  loggedIn: ["GET"],
};

export interface Target {
  readonly page: PageName;
  readonly id: string;
  readonly search: string;
}

/** Which page a request target means. Paths are compared byte for byte. */
export function targetOf(url: string): Target | undefined {
  const end = url.indexOf("?");
  const path = end === -1 ? url : url.slice(0, end);
  const search = end === -1 ? "" : url.slice(end);
  if (path === ownPaths.loggedIn) return { page: "loggedIn", id: "", search };
  if (!path.startsWith(ownPaths.consent)) return undefined;
  const found = /^([\w-]{1,128})(?:\/(waiting|cancel))?$/.exec(path.slice(ownPaths.consent.length));
  if (found === null) return undefined;
  const [, id = "", page = "request"] = found;
  return { page: page as PageName, id, search };
}

/** The path of the page of a request. */
export function pathOf(id: string): string {
  return ownPaths.consent + id;
}
