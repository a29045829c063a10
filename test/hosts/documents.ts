import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Authority } from "../support/certificates.js";
import type { ClientMetadata } from "./host.js";

type ClientDocument = ClientMetadata & { readonly client_id: string };

/** The servers on which hosts publish what they are, all in one, on loopback. */
export interface Documents {
  /** For the client command: documents-preload.mjs reads it. */
  readonly env: Readonly<Record<string, string>>;
  /** The URLs that were fetched, in order. */
  readonly fetched: readonly string[];
  close(): Promise<void>;
}

export async function startDocuments(
  authority: Authority,
  documents: readonly ClientDocument[],
): Promise<Documents> {
  const byUrl = new Map(documents.map((document) => [document.client_id, JSON.stringify(document)]));
  const names = [...new Set([...byUrl.keys()].map((url) => new URL(url).hostname))];
  const fetched: string[] = [];
  const server = createServer(await authority.issue(names), (req, res) => {
    const url = `https://${req.headers.host}${req.url}`;
    fetched.push(url);
    const document = byUrl.get(url);
    if (document === undefined) res.writeHead(404).end();
    else res.writeHead(200, { "content-type": "application/json" }).end(document);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    env: {
      HOSTS_DOCUMENTS_NAMES: names.join(","),
      HOSTS_DOCUMENTS_PORT: String((server.address() as AddressInfo).port),
    },
    fetched,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
