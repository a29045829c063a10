import { printable } from "mcp-tunnel-shared";
import type { ConsentClient, ConsentRequest } from "../oauth/consents.js";

/** Longer names of strangers are cut, so that they push nothing else out of sight. */
const maxName = 64;
/** Names in the DNS have 253 characters at most, and a port may follow. */
export const maxHost = 260;
const maxPlaces = 5;

/** What a host asks for, fit to be shown: every text is bounded and without characters that nobody sees. */
export interface Asked {
  readonly clientName: string;
  /** The domain that has proved to be the client's. */
  readonly documentHost: string | undefined;
  /** What the owner calls the thing behind the gate. */
  readonly title: string;
  /** Where it is: host and path, or several of them. */
  readonly places: readonly string[];
  readonly answer: AnswerTarget;
}

/** Where the answer goes. */
export interface AnswerTarget {
  readonly kind: "host" | "loopback" | "scheme";
  /** A host, `this computer`, or a scheme such as `cursor:`. */
  readonly name: string;
}

export function askedBy({ client, resource }: ConsentRequest, title: string | undefined): Asked {
  const places = resource.split(" ").map((url) => new URL(url));
  return {
    clientName: shown(client.name) || "A program without a name",
    documentHost: client.documentHost === undefined ? undefined : shown(client.documentHost, maxHost),
    title: shown(title ?? (places[0] as URL).host),
    places: placesOf(places),
    answer: targetOf(client),
  };
}

function placesOf(urls: readonly URL[]): string[] {
  const places = urls.slice(0, maxPlaces).map(({ host, pathname }) => shown(host + pathname, maxHost));
  return urls.length > maxPlaces ? [...places, `and ${urls.length - maxPlaces} more`] : places;
}

function targetOf({ redirectUri, isLoopback }: ConsentClient): AnswerTarget {
  const { protocol, host } = new URL(redirectUri);
  if (protocol !== "https:" && protocol !== "http:") return { kind: "scheme", name: shown(protocol) };
  if (isLoopback) return { kind: "loopback", name: "this computer" };
  return { kind: "host", name: shown(host, maxHost) };
}

/** A stranger's text on one line, with `max` characters at most. */
export function shown(text: string, max = maxName): string {
  // The cut before the escapes spares their work on a long text, the cut after them bounds what is seen.
  const escaped = Array.from(printable(text.slice(0, 2 * max).trim()));
  return escaped.length <= max ? escaped.join("") : `${escaped.slice(0, max - 1).join("")}…`;
}
