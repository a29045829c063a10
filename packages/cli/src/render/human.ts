import { stripVTControlCharacters } from "node:util";
import picocolors from "picocolors";
import type { TunnelError } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";
import type { RefusedEvent, RelayClient, TunnelClient } from "mcp-tunnel-client";
import type { ReplayEvent } from "mcp-tunnel-inspector";
import type { OpenLine, RequestLine } from "mcp-tunnel-inspector/lines";
import type { StdioEvent } from "mcp-tunnel-stdio";
import type { GateEvent } from "mcp-tunnel-gate";
import type { Output } from "../output/output.js";
import { version } from "../version.js";
import { addLines, addressesOf } from "./mcp-addresses.js";
import type { FoundMcp, McpAddress, McpPlace } from "./mcp-addresses.js";
import { isNewer } from "./newer-client.js";
import type { Renderer } from "./renderer.js";
import { RequestLines } from "./request-line.js";
import { RetryLine } from "./retry-line.js";
import { shellWord } from "./shell.js";
import { againLines, gateEventHint, gateEventText, hostLines, isPoll } from "./visitor-lines.js";
import type { VisitorAuth } from "./visitor-lines.js";

/** How many reasons of one outage are remembered, so that they are not told twice. */
const maxReasons = 16;

/** What else is done with the public URL. */
export interface Sharing {
  /** Put it into the clipboard. */
  readonly copy: boolean;
  /** Draws its QR code in lines, if it has one: the relay gives the URL, and may give a long one. */
  readonly drawQr: ((url: string, colors: boolean) => string[] | undefined) | undefined;
}

export class HumanRenderer implements Renderer {
  readonly #output: Output;
  readonly #local: string;
  readonly #colors: ReturnType<typeof picocolors.createColors>;
  readonly #requests: RequestLines;
  #url: string | undefined;
  #inspectorUrl: string | undefined;
  #recordedFile: string | undefined;
  /** There is a gate at which people consent. */
  #hasConsent = false;
  #subdomain: string | undefined;
  /**
   * The reasons told since the link was lost. Attempts may fail for two reasons in turn, which need not be
   * read twice.
   */
  readonly #told = new Set<string>();
  /** Processes that were started to ask a server something, by the start of their lines. */
  readonly #probes = new Set<string>();
  /** The server of `--stdio` has failed, and none of its processes was started since. */
  #isBroken = false;
  readonly #sharing: Sharing;
  readonly #retry: RetryLine | undefined;
  #auth: VisitorAuth | undefined;
  #hasToldNewer = false;

  /** `local`: the service, as a person would name it. */
  constructor(output: Output, local: string, sharing: Sharing = { copy: false, drawQr: undefined }) {
    this.#output = output;
    this.#local = local;
    this.#sharing = sharing;
    this.#retry = output.screen === undefined ? undefined : new RetryLine(output.screen);
    this.#colors = picocolors.createColors(output.colors);
    this.#requests = new RequestLines(output.colors, () => output.columns);
  }

  follow(client: TunnelClient, places: readonly McpPlace[] = [], auth?: VisitorAuth): void {
    const { green, yellow, red } = this.#colors;
    this.#auth = auth;
    this.#hasConsent = auth?.kinds.includes("oauth") === true;
    client.on("connected", (event) => {
      const { url, subdomain, resumed } = event;
      this.#retry?.stop();
      this.#told.clear();
      this.#subdomain = subdomain;
      if (url !== this.#url) this.#banner({ url, subdomain }, places, auth);
      else this.#output.out(green(resumed ? "connected again, nothing lost" : "connected again"));
      this.#url = url;
      this.#newerClient(event);
    });
    client.on("disconnected", ({ cause }) => {
      this.#isNews(cause.message);
      this.#output.err(yellow(`disconnected: ${printable(cause.message)}; reconnecting`));
    });
    client.on("reconnecting", ({ attempt, delayMs, cause }) => {
      const isMove = cause.code === "draining";
      if (this.#isNews(cause.message)) {
        const what = isMove ? "moving to its successor" : "trying again";
        this.#output.err(yellow(`${printable(cause.message)}; ${what}`));
      }
      if (!isMove) this.#retry?.waiting(attempt, delayMs);
    });
    client.on("closed", () => this.#retry?.stop());
    client.on("evicted", ({ reason: why }) => this.#output.err(red(printable(why))));
    client.on("warning", ({ code, message }) => this.warn(code, message));
    client.on("refused", (event) => this.#output.out(this.#refused(event)));
    client.on("fault", ({ code, message }) => {
      // The error of a request is on the line of that request.
      if (code === "internal") this.#output.err(red(printable(message)));
    });
  }

  opened(line: OpenLine): void {
    this.#output.out(this.#requests.opened(line));
  }

  request(line: RequestLine): void {
    if (!this.#hasConsent || !isPoll(line)) this.#output.out(this.#requests.request(line));
  }

  replay(event: ReplayEvent): void {
    // Its beginning is on the page, where the user is.
    if (event.durationMs !== undefined) this.#output.out(this.#requests.replay(event));
  }

  inspector(url: string): void {
    this.#inspectorUrl = url;
    // The banner has it, too.
    if (this.#url !== undefined) this.#output.out(this.#inspectorLine(url));
  }

  recording(file: string): void {
    this.#recordedFile = file;
  }

  server(name: string | undefined, event: StdioEvent, text: string): void {
    const { dim, yellow, red } = this.#colors;
    const color = { failed: red, stray: yellow, notice: yellow, started: dim, ended: dim, stderr: dim };
    const process = event.process === undefined ? "" : `[${event.process}]`;
    const start = printable(name ?? "server") + process;
    const isOfOnly = name === undefined && (event.type === "started" || event.type === "failed");
    if (isOfOnly) this.#isBroken = event.type === "failed";
    if (this.#isRoutine(event, start)) return;
    // At the end each process has such a line, and its start says already which one it is.
    const said = event.type === "ended" ? text.replace(/^'.*' (?=(?:has|was) ended )/, "") : text;
    this.#output.err(`${dim(start)} ${color[event.type](printable(said))}`);
  }

  /** Whether an event says only that a server was asked something, and that all went well. */
  #isRoutine(event: StdioEvent, start: string): boolean {
    if (event.type === "started" && event.purpose === "probe") {
      this.#probes.add(start);
      return true;
    }
    if (event.type !== "ended" && event.type !== "failed") return false;
    return this.#probes.delete(start) && event.type === "ended";
  }

  gate(event: GateEvent, others: number, canApprove: boolean): void {
    const { bold, dim, green, yellow } = this.#colors;
    const color = {
      asked: bold,
      granted: green,
      revoked: yellow,
      denied: yellow,
      refused: dim,
      notice: yellow,
    };
    this.#output.err(color[event.type](printable(gateEventText(event, others))));
    const hint = gateEventHint(event, canApprove, this.#subdomain);
    if (hint !== undefined) this.#output.err(printable(hint));
  }

  listening(message: string | undefined): void {
    const { screen, label } = this.#output;
    // At a terminal the warning stays in view as long as it is true.
    screen?.keep(this, message === undefined ? undefined : `warning: ${message}`);
    // Only one of several tunnels is in view there.
    const isSeen = screen !== undefined && label === undefined;
    if (message !== undefined && !isSeen) this.warn("nothing_listens", message);
  }

  foundMcp({ path, hasProof }: FoundMcp): void {
    const [url, subdomain] = [this.#url, this.#subdomain];
    if (url === undefined || subdomain === undefined) return;
    const kinds = this.#auth?.kinds ?? [];
    // Claude Code signs in by itself where it can.
    const needsKey = kinds.includes("bearer") || (hasProof && !kinds.includes("oauth"));
    this.#output.out(`An MCP server answers at ${printable(path)}. Claude Code:`);
    for (const address of addressesOf({ url, subdomain }, [{ path }])) {
      const option = needsKey ? '--header "Authorization: Bearer KEY"' : undefined;
      for (const line of addLines(address, option)) this.#output.out(`  ${printable(line)}`);
    }
  }

  asking(): void {
    this.#retry?.stop();
  }

  warn(_code: string, message: string): void {
    this.#output.err(this.#colors.yellow(`warning: ${printable(message)}`));
  }

  closing(openRequests: number): void {
    this.#retry?.stop();
    if (openRequests === 0) return;
    const requests = openRequests === 1 ? "1 request" : `${openRequests} requests`;
    this.#output.err(`finishing ${requests}; Ctrl-C again to cut`);
  }

  failed(error: TunnelError): void {
    if (error.code !== "evicted") this.#output.err(this.#colors.red(`error: ${printable(error.message)}`));
  }

  /** Whether the reason for a failed attempt is new. From now on it counts as told. */
  #isNews(reason: string): boolean {
    if (this.#told.has(reason)) return false;
    // A relay that gives another reason each time must not fill the memory.
    if (this.#told.size >= maxReasons) this.#told.clear();
    this.#told.add(reason);
    return true;
  }

  /** Where lines go that are pasted, or stand below such ones. */
  get #plain(): Output {
    return this.#output.label?.plain ?? this.#output;
  }

  #banner(
    tunnel: { url: string; subdomain: string },
    places: readonly McpPlace[],
    auth: VisitorAuth | undefined,
  ): void {
    const { bold, cyan, dim } = this.#colors;
    const addresses = addressesOf(tunnel, places);
    const urls = places.length === 0 ? [tunnel.url] : addresses.map(({ url }) => url);
    this.#plain.out("");
    const { label } = this.#output;
    if (label !== undefined) this.#plain.out(`  ${bold(printable(label.text))}`);
    for (const url of urls) this.#plain.out(`  ${bold(cyan(printable(url)))}`);
    this.#plain.out(`  ${dim(`-> ${printable(this.#local)}`)}`);
    if (this.#inspectorUrl !== undefined) this.#plain.out(this.#inspectorLine(this.#inspectorUrl));
    if (this.#recordedFile !== undefined) {
      this.#plain.out(`  ${dim(`Recording ${printable(this.#recordedFile)}`)}`);
    }
    this.#plain.out("");
    this.#share(urls.length === 1 ? (urls[0] as string) : tunnel.url);
    if (auth !== undefined) this.#ready(auth, addresses, tunnel);
    else if (places.length > 0) this.#open(addresses);
    // What looks like a success is what stays in view.
    if (this.#isBroken) this.#output.err(this.#colors.red("The server does not start: see above."));
  }

  #share(url: string): void {
    const { copy, drawQr } = this.#sharing;
    const { screen, columns, colors } = this.#output;
    if (drawQr !== undefined) {
      const lines = drawQr(url, colors);
      const width = lines?.[0] === undefined ? 0 : stripVTControlCharacters(lines[0]).length;
      if (lines === undefined) this.warn("no_qr", "--qr: this URL is too long for a QR code");
      else if (columns !== undefined && width > columns) {
        this.warn(
          "no_qr",
          `--qr: the code of this URL needs ${width} columns, and the terminal has ${columns}`,
        );
      } else for (const line of [...lines, ""]) this.#output.out(line);
    }
    if (!copy) return;
    if (screen === undefined) {
      this.warn("no_copy", "--copy: the URL is not copied, because that needs a terminal with OSC 52");
      return;
    }
    screen.copy(url);
    this.#output.out(this.#colors.dim("The URL is in the clipboard, if this terminal takes it (OSC 52)."));
    this.#output.out("");
  }

  #newerClient({ relayClient }: { relayClient: RelayClient | undefined }): void {
    if (relayClient === undefined || this.#hasToldNewer || !isNewer(relayClient.version, version)) return;
    this.#hasToldNewer = true;
    const { bold, yellow } = this.#colors;
    const theirs = printable(relayClient.version);
    this.#output.err(
      yellow(`This client is ${version}, and the relay has ${theirs}. With the same options:`),
    );
    this.#output.err(bold(`  npx -y ${printable(shellWord(relayClient.url))} ...`));
  }

  #ready(
    auth: VisitorAuth,
    addresses: readonly McpAddress[],
    { url, subdomain }: { url: string; subdomain: string },
  ): void {
    const { bold } = this.#colors;
    const lines = [...hostLines(auth, addresses, url), ...againLines(auth, subdomain)];
    for (const { text, isValue } of lines) {
      this.#plain.out(isValue ? bold(printable(text)) : printable(text));
    }
  }

  /** Everybody may use the MCP servers. */
  #open(addresses: readonly McpAddress[]): void {
    for (const line of addresses.flatMap((address) => addLines(address))) this.#plain.out(printable(line));
    this.#plain.out("");
    const what = addresses.length === 1 ? "this URL can use the server" : "a URL can use its server";
    this.#plain.out(this.#colors.yellow(`Everybody who knows or guesses ${what} with your rights.`));
    this.#plain.out("");
  }

  #inspectorLine(url: string): string {
    return `  ${this.#colors.dim(`Inspector ${url}`)}`;
  }

  #refused({ method, path, status, count, message }: RefusedEvent): string {
    // The status says that it was refused.
    const what = status === undefined ? `cut by the relay: ${message}` : `relay: ${message}`;
    const others = count === 1 ? "" : ` (and ${count - 1} more)`;
    return this.#requests.refused(method, path, status, what, others);
  }
}
