import { endToEndHeaders, headerValue, type RawHeaders } from "mcp-tunnel-protocol";
import { formatBytes, withoutTrailing } from "mcp-tunnel-shared";
import type { Captured } from "../captured.js";
import type { Hider } from "../secrets/hide.js";
import { textOf } from "./bodies.js";

/** Linux takes no longer argument than 128 KiB. A character may take four signs in a shell. */
const maxArgumentBytes = 128 * 1_024 - 1;

/** Fields that curl writes itself. */
const ownFields = new Set(["accept-encoding", "content-length", "expect", "host"]);
/** Fields of the way through the tunnel. */
const hopField = /^(?:x-forwarded-|x-tunnel-|forwarded$|via$)/i;

export interface CurlContext {
  /** Of an export: without a key. */
  readonly hider: Hider;
  /** The tunnel's. Undefined: by the Host of the request. */
  readonly publicUrl: string | undefined;
}

/**
 * A command for a shell (bash, zsh, ksh, or another of POSIX 2024) that sends the request of `entry` again.
 */
export function curlOf(entry: Captured, { hider, publicUrl }: CurlContext): string {
  const { method, headers, path } = entry.head;
  const origin = withoutTrailing(publicUrl ?? originOf(headers), "/");
  const body = bodyOf(entry, hider);
  const options: string[][] = [];
  if (method === "HEAD") options.push(["-I"]);
  else if (method !== (body.data === undefined ? "GET" : "POST")) options.push(["-X", quoted(method)]);
  // Without it, curl takes brackets and braces for patterns, and leaves out `..`.
  if (/[[\]{}]/.test(origin + hider.target(path))) options.push(["--globoff"]);
  if (/\/\.{1,2}(?:[/?]|$)/.test(path)) options.push(["--path-as-is"]);
  if (path === "*") options.push(["--request-target", quoted("*")]);
  const fields = hider.fields(endToEndHeaders(headers));
  for (const [name, value] of fields) {
    if (ownFields.has(name.toLowerCase()) || hopField.test(name)) continue;
    options.push(["-H", quotedBytes(value === "" ? `${name};` : `${name}: ${value}`)]);
  }
  if (headerValue(headers, "accept-encoding") !== undefined) options.push(["--compressed"]);
  if (body.data !== undefined) {
    // Without a type, curl would say that this is a form.
    if (headerValue(headers, "content-type") === undefined) options.push(["-H", quoted("Content-Type:")]);
    options.push(["--data-raw", quoted(body.data)]);
  }
  const url = quotedBytes(origin + (path === "*" ? "/" : hider.target(path)));
  const command = [`curl ${url}`, ...options.map((option) => option.join(" "))].join(" \\\n  ");
  return [...notesOf(entry, body.note), `${command}\n`].join("\n");
}

function notesOf({ head }: Captured, note: string | undefined): string[] {
  const notes = head.upgrade === true ? ["# A WebSocket: curl sends its request without the upgrade"] : [];
  return note === undefined ? notes : [...notes, `# ${note}`];
}

function originOf(headers: RawHeaders): string {
  const host = headerValue(headers, "host");
  return host === undefined ? "http://localhost" : `https://${host}`;
}

/** A body that is only there in part is left out: half a message would be another one. */
function bodyOf({ head, requestBody }: Captured, hider: Hider): { data?: string; note?: string } {
  const { bytes } = requestBody;
  if (bytes === 0 || head.upgrade === true) return {};
  const size = formatBytes(bytes);
  if (requestBody.kept < bytes) return { note: `The body of ${size} is left out: it was not kept whole` };
  const type = headerValue(head.headers, "content-type") ?? "";
  // Bytes as they were sent: in another charset, the text would have others.
  const data = requestBody.bufferOf();
  const text = textOf(data, type);
  if (text === undefined || !Buffer.from(text).equals(data)) {
    return { note: `The body of ${size} is left out: it is no text in UTF-8` };
  }
  if (head.method === "HEAD") return { note: `The body of ${size} is left out: curl sends none with HEAD` };
  const hidden = hider.body(text, type, head.path);
  if (quoted(hidden).length > maxArgumentBytes) {
    return { note: `The body of ${size} is left out: it is too long for a command line` };
  }
  return { data: hidden };
}

/** Quotes bytes of a head, as text if they are text. */
function quotedBytes(bytes: string): string {
  const data = Buffer.from(bytes, "latin1");
  const text = data.toString();
  return Buffer.from(text).equals(data) ? quoted(text) : escaped(data);
}

/** What a terminal may act on when it is pasted, and what changes how a line is read. */
const unsafe = /[^\P{C}\n]|[\u2028\u2029]/u;

/**
 * Quotes an argument for a shell. Signs that a terminal might act on become escapes of `$'...'`: a service's
 * text could end the paste (ESC [ 201 ~) and go on with a command of its own.
 */
function quoted(text: string): string {
  if (!unsafe.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  return escaped(Buffer.from(text));
}

function escaped(data: Buffer): string {
  const signs = [...data].map((byte) => {
    if (byte === 0x27 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
    if (byte === 0x0a) return "\\n";
    // Three digits of octal: `\x` would take a digit that follows, in some shells.
    if (byte < 0x20 || byte > 0x7e || byte === 0x21) return `\\${byte.toString(8).padStart(3, "0")}`;
    return String.fromCharCode(byte);
  });
  return `$'${signs.join("")}'`;
}
