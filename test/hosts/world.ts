import { readFileSync } from "node:fs";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { Agent } from "undici";
import { createTools } from "../mcp/servers.js";
import { createFolder, type Folder } from "../support/certificates.js";
import { type JsonLine, runClient } from "../support/commands.js";
import { secureDomain, type SecureRelay, startSecureRelay } from "../support/secure.js";
import { runAtTerminal, type TerminalCommand } from "../support/terminal.js";
import { type Documents, startDocuments } from "./documents.js";
import { hosts } from "./hosts.js";
import type { Person } from "./person.js";

const preload = new URL("documents-preload.mjs", import.meta.url).href;

/** A relay with TLS, the hosts' documents, and whoever visits. */
export class World {
  readonly #secure: SecureRelay;
  readonly documents: Documents;
  readonly #folder: Folder = createFolder();
  #addresses = 1;

  private constructor(secure: SecureRelay, documents: Documents) {
    this.#secure = secure;
    this.documents = documents;
  }

  /** `domain`: of the relay. Programs find names below `localhost` by test/support/resolve-localhost.mjs. */
  static async start(domain?: string): Promise<World> {
    const secure = await startSecureRelay([], domain);
    const published = hosts.flatMap(({ identity }) =>
      identity.by === "document" ? [identity.document] : [],
    );
    return new World(secure, await startDocuments(secure.authority, [...published, sdkDocument]));
  }

  /** For programs: they trust the relay. */
  get env(): NodeJS.ProcessEnv {
    return { NODE_EXTRA_CA_CERTS: this.#secure.caFile };
  }

  /**
   * Connections of a visitor with an address of his own: what is limited for each address is not at issue
   * here.
   */
  visitor(): Agent {
    this.#addresses += 1;
    return new Agent({
      localAddress: `127.0.0.${this.#addresses}`,
      connect: {
        ca: this.#secure.authority.cert,
        lookup: (_host, _options, callback) => callback(null, "127.0.0.1", 4),
      },
    });
  }

  /**
   * Starts the client command with a gate. `args`: what is served, and more options; the command of a server
   * comes last.
   */
  async publish(name: string, args: readonly string[]): Promise<Published> {
    const { env, common } = this.#client(name);
    const command = runClient([...common, "--json", ...args], env);
    const connected = await command.waitForJson({ event: "connected" });
    return new Published(command, connected, env);
  }

  /** The same at a terminal, 80 columns wide. What is drawn shows on its screen, once. */
  publishAtTerminal(name: string, args: readonly string[]): TerminalCommand {
    const { env, common } = this.#client(name);
    return runAtTerminal("client", [...common, ...args], 80, env);
  }

  #client(name: string): { env: NodeJS.ProcessEnv; common: string[] } {
    const env = {
      ...this.env,
      ...this.documents.env,
      NODE_OPTIONS: `--import ${preload}`,
      MCP_TUNNEL_STATE_DIR: this.#folder.path,
    };
    const relayUrl = `https://127.0.0.1:${this.#secure.port}`;
    return { env, common: ["--relay", relayUrl, "--subdomain", name, "--token", "hosts"] };
  }

  /** The public URL of a path of a tunnel. */
  url(name: string, path: string): string {
    return `https://${name}.${secureDomain}:${this.#secure.port}${path}`;
  }

  async close(): Promise<void> {
    await this.documents.close();
    await this.#secure.close();
    this.#folder.close();
  }
}

/** A service behind a gate. */
export class Published {
  readonly #command: ReturnType<typeof runClient>;
  readonly #env: NodeJS.ProcessEnv;
  readonly #name: string;
  /** Of the MCP server. */
  readonly url: string;
  /** Of the gate: they were drawn. A gate of keys alone has no passcode. */
  readonly passcode: string;
  readonly key: string;
  #logins = 0;

  constructor(command: ReturnType<typeof runClient>, connected: JsonLine, env: NodeJS.ProcessEnv) {
    this.#command = command;
    this.#env = env;
    const { url, subdomain, servers, visitorAuth } = connected as unknown as Connected;
    this.#name = subdomain;
    this.url = servers?.[0]?.url ?? `${url}/mcp`;
    const { passcode, key } = visitorAuth.secretFiles;
    this.passcode = passcode === undefined ? "" : readFileSync(passcode, "utf8").trim();
    this.key = readFileSync(key, "utf8").trim();
  }

  /** Somebody at a browser consents. Returns where the browser is sent, and the id of the grant. */
  async consent(person: Person, authorizationUrl: string | URL): Promise<{ callback: URL; grant: string }> {
    const callback = await person.consent(authorizationUrl, this.passcode);
    return { callback, grant: await this.nextGrant() };
  }

  /** The id of the grant of the next login. Logins come one after another. */
  async nextGrant(): Promise<string> {
    this.#logins += 1;
    const granted = await this.#command.waitForJson({ event: "auth", type: "granted" }, this.#logins);
    return granted["grant"] as string;
  }

  /** Runs `mcp-tunnel-client auth revoke`. */
  async revoke(grant: string): Promise<void> {
    const command = runClient(["auth", "revoke", this.#name, grant], this.#env);
    const { code } = await command.exited;
    if (code !== 0) throw new Error(`auth revoke ended with ${code}: ${command.output}`);
  }

  close(): Promise<unknown> {
    return this.#command.close();
  }
}

interface Connected {
  readonly url: string;
  readonly subdomain: string;
  readonly servers?: readonly { readonly url: string }[];
  readonly visitorAuth: { readonly secretFiles: { readonly key: string; readonly passcode?: string } };
}

/** The document of the SDKs' clients in these tests. */
export const sdkDocument = {
  client_id: "https://sdk-client.example.com/oauth/client.json",
  client_name: "A client on an SDK",
  redirect_uris: ["http://127.0.0.1/callback"],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
};

/** An MCP server with a tool that says what the server is told of its visitor. */
export function createCurious(): McpServer {
  const server = createTools();
  server.registerTool("visitor", {}, ({ requestInfo }) => {
    const { headers = {} } = requestInfo ?? {};
    const told = Object.entries(headers).filter(([name]) =>
      /^(authorization|x-tunnel-(user|client|scope))$/.test(name),
    );
    return { content: [{ type: "text", text: JSON.stringify(Object.fromEntries(told)) }] };
  });
  return server;
}
