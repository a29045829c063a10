import { fieldPairs, type RawHeaders } from "mcp-tunnel-protocol";
import { withoutTrailing } from "mcp-tunnel-shared";
import { Marks, type Secret } from "./marks.js";
import { findMembers } from "./members.js";
import { isSecretField } from "./names.js";
import { findInMultipart, findInQuery, findInText, findPrivateQueries, unescaped } from "./parameters.js";
import { findShapes } from "./shapes.js";

/**
 * Replaces secrets in texts. Anything else stays as it is, and JSON stays JSON. The time is in proportion to
 * the text.
 */
export interface Hider {
  /** The fields of a head, or trailers. */
  fields(headers: RawHeaders): [name: string, value: string][];
  /** A request target. */
  target(path: string): string;
  /** Any text: JSON, even if it is cut off, a form, a URL, words. */
  text(text: string): string;
  /** A body of the given type, of an exchange with the given target. */
  body(text: string, contentType: string, path: string): string;
  /** How many different secrets were hidden. */
  readonly count: number;
  /** The secret behind a mark that this hider has made, as it stood in the text. */
  find(mark: string): string | undefined;
}

export interface HiderOptions {
  /** The key of the marks `[hidden:MARK]`. Undefined: all secrets are `[hidden]`, as in an export. */
  readonly key: Buffer | undefined;
  /** Paths below which every value of a query and of a form is a secret. */
  readonly privatePaths: readonly string[];
}

/** A scheme and its credentials (RFC 9110 section 11.4). */
const credentials = /^[A-Za-z][\w-]{0,31} +/;
/** A form has no white space and no signs of JSON or HTML. */
const formLike = /^[^\s"'<>{}=&]{1,256}=[^\s"<>{}]*$/;

export function createHider({ key, privatePaths }: HiderOptions): Hider {
  const marks = new Marks(key);
  const isPrivate = pathMatcher(privatePaths);

  function hide(text: string, find: (found: (secret: Secret) => void) => void): string {
    const secrets: Secret[] = [];
    const found = (secret: Secret) => secrets.push(secret);
    find(found);
    findShapes(text, found);
    findMembers(text, found);
    findInText(text, found);
    if (privatePaths.length > 0) findPrivateQueries(text, isPrivate, found);
    return marks.replace(text, secrets);
  }

  function target(path: string): string {
    return hide(path, (found) => {
      const query = path.indexOf("?");
      if (query === -1) return;
      const fragment = path.indexOf("#", query);
      const end = fragment === -1 ? path.length : fragment;
      findInQuery(path, [query + 1, end], isPrivate(path.slice(0, query)), found);
    });
  }

  function form(text: string, all: boolean): string {
    return hide(text, (found) => findInQuery(text, [0, text.length], all, found));
  }

  function text(text: string): string {
    if (formLike.test(text)) return form(text, false);
    return hide(text, (found) => findInMultipart(text, false, found));
  }

  function fieldValue(name: string, value: string): string {
    switch (name.toLowerCase()) {
      case "authorization":
      case "proxy-authorization":
        return afterScheme(value);
      case "cookie":
        return value.split(";").map(cookie).join(";");
      case "set-cookie": {
        const end = value.indexOf(";");
        return end === -1 ? cookie(value) : cookie(value.slice(0, end)) + value.slice(end);
      }
      default:
        return isSecretField(name) ? afterScheme(value) : text(value);
    }
  }

  function afterScheme(value: string): string {
    const scheme = credentials.exec(value)?.[0] ?? "";
    return scheme + marks.markOf(value.slice(scheme.length));
  }

  /** The name stays visible. A cookie without one is a value. */
  function cookie(pair: string): string {
    const value = pair.slice(pair.indexOf("=") + 1).trim();
    const start = pair.length - pair.trimStart().length;
    return pair.slice(0, Math.max(pair.indexOf("=") + 1, start)) + marks.markOf(value);
  }

  return {
    fields: (headers) => fieldPairs(headers).map(([name, value]) => [name, fieldValue(name, value)]),
    target,
    text,
    body(body, contentType, path) {
      const query = path.indexOf("?");
      const all = isPrivate(query === -1 ? path : path.slice(0, query));
      if (/^application\/x-www-form-urlencoded\b/i.test(contentType)) return form(body, all);
      if (/^multipart\//i.test(contentType)) return hide(body, (found) => findInMultipart(body, all, found));
      return text(body);
    },
    get count() {
      return marks.count;
    },
    find: (mark) => marks.find(mark),
  };
}

/** Whether a path is one of those, or below it, however it is written. */
function pathMatcher(privatePaths: readonly string[]): (path: string) => boolean {
  const given = privatePaths.map((path) => withoutTrailing(path, "/"));
  const roots = [...new Set([...given, ...given.map(normalized)])];
  const lastNames = roots.map((root) => root.slice(root.lastIndexOf("/") + 1));
  const isBelow = (path: string) => roots.some((root) => path === root || path.startsWith(`${root}/`));
  return (path) => {
    if (isBelow(path)) return true;
    if (!/[%.\\]/.test(path)) return false;
    // A text may have a path at every second sign. To parse those that are none of these takes too long.
    const plain = unescaped(path);
    return lastNames.some((name) => plain.includes(name)) && isBelow(normalized(path));
  };
}

/** Without escapes that are not needed, `.` and `..`. */
function normalized(path: string): string {
  const base = "http://path.invalid";
  return URL.canParse(path, base) ? unescaped(new URL(path, base).pathname) : path;
}
