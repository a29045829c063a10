// The layers of the packages, written down once. The linter's rule `layers/no-restricted-imports` in
// plugin.mjs holds every file of packages/*/src to them, and `node scripts/lint/rooms.mjs` counts by them.
//
// A room is a folder below src, or a single file. A folder inside a room can be a room of its own: a file
// belongs to the longest path that fits. Once one folder of a room is listed, all other folders in it must
// be listed too. The layers go from low to high, and a room imports from lower layers alone. Two rooms of
// one layer do not know one another. The import of a type counts like any other.

/**
 * @typedef {object} Package
 * @property {string} name What the package is called on npm.
 * @property {string[]} knows Folders of the packages that it may import.
 * @property {Record<string, string[]>} [modules] The other modules that it may import: in all its rooms
 *   ("*"), and besides in one room. Any module if this is left out.
 * @property {Record<string, string>[]} layers Its layers, from low to high: each room's path and purpose.
 */

/** @type {Record<string, Package>} Keyed by the folder's name in packages/. */
export const packages = {
  shared: {
    name: "mcp-tunnel-shared",
    knows: [],
    modules: {
      "*": [],
      "addresses.ts": ["node:net"],
      "rename-over.ts": ["node:fs", "node:timers"],
      command: ["node:fs", "node:stream", "node:tty", "node:v8"],
      page: ["node:crypto", "node:http", "node:zlib"],
      "visitor-page": ["node:crypto"],
    },
    layers: [
      {
        "addresses.ts": "addresses of visitors, and ranges of them",
        "duration.ts": "durations as people write them",
        "errors.ts": "what was thrown, in words",
        "json.ts": "JSON text, changed in places",
        "loopback.ts": "names and addresses of this machine",
        "open-list.ts": "what is open now, in a list that keeps nothing else",
        "printable.ts": "strangers' text made fit for a terminal or a log",
        "rename-over.ts": "a file put in the place of another",
        "size.ts": "sizes in bytes as people write them",
        "text.ts": "work on text that takes no longer than the text is long",
      },
      { "mcp-headers.ts": "header fields that repeat parts of a message of MCP" },
      {
        "index.ts": "the package's entry",
        command: "the entry /command: what both commands do",
        page: "the entry /page: the server of a page that only its owner may use",
        "visitor-page": "the entry /visitor-page: pages that visitors see in the place of a service",
      },
    ],
  },

  protocol: {
    name: "mcp-tunnel-protocol",
    knows: [],
    // The protocol knows no HTTP server, and only ws-link.ts knows sockets: the rest runs on any link.
    modules: { "*": ["leven", "node:buffer", "node:crypto"], "ws-link.ts": ["node:net", "ws"] },
    layers: [
      {
        "close-codes.ts": "the codes with which a WebSocket is closed",
        "errors.ts": "the error that users of the packages see",
        "field-names.ts": "the header fields that belong to the tunnel",
        "known-names.ts": "names of fields that many heads have",
        "link.ts": "a connection that carries messages",
        "names.ts": "names of tunnels, and patterns of them",
        "pools.ts": "who shares a name with whom",
        "refusals.ts": "kinds of refusals and how they are told",
        "shape.ts": "what a value from elsewhere has to be",
      },
      {
        "headers.ts": "header fields and what is sound in them",
        "registration.ts": "the messages with which a tunnel is asked for and given",
        "options.ts": "the checks of options",
        "refusal-gatherer.ts": "refusals gathered into few messages",
      },
      {
        "json-rpc.ts": "what is answered to MCP clients in the place of their server",
        "option-shapes.ts": "what values of options have to be",
        "tunnel.ts": "sessions and streams: what both wires implement",
        "upgrade-offer.ts": "which upgrades a request offers",
      },
      {
        "liveness.ts": "pings, and what is concluded from silence",
        "logger.ts": "where both ends tell what they do",
      },
      { json: "the original's JSON wire", v1: "the binary protocol" },
      {
        "index.ts": "the package's entry",
        "sessions.ts": "the entry /sessions: the two wires",
        "ws-link.ts": "the entry /ws: a link over a WebSocket of ws",
        testing: "the entry /testing: two links joined in memory",
      },
    ],
  },

  config: {
    name: "mcp-tunnel-config",
    knows: ["shared", "protocol"],
    modules: { "*": ["node:fs", "node:fs/promises", "yaml", "zod"] },
    layers: [
      {
        "regular-file.ts": "files whose paths may have become anything",
        "yaml.ts": "YAML with lines",
      },
      {
        "file-watch.ts": "files, looked at until they change",
        "options.ts": "options in a file",
      },
      { "index.ts": "the package's entry", "files.ts": "the entry /files: files that change" },
    ],
  },

  cluster: {
    name: "mcp-tunnel-cluster",
    knows: ["shared", "protocol"],
    layers: [
      { "route.ts": "what serves a name, here or one hop away" },
      { "directory.ts": "who serves which name, as a relay asks" },
      {
        "info.ts": "what other relays know of a tunnel and its client",
        "verdict.ts": "a verdict that comes from elsewhere, read with care",
      },
      { "member.ts": "a relay's place in a cluster, as the relay uses it" },
      { engine: "where the relays keep who has which name" },
      { peers: "links to other relays" },
      {
        hop: "requests taken to the tunnel of another relay",
        splice: "clients whose sessions are at another relay",
      },
      { names: "the directory of a relay in a cluster, and its lease" },
      {
        "options.ts": "what createMember takes, checked and complete",
        "store.ts": "texts that relays share, sealed with their secret",
      },
      { "cluster.ts": "the parts, put together, started and closed" },
      {
        "index.ts": "the package's entry",
        "relay-side.ts": "the entry /relay: what a relay and its place in a cluster know of one another",
      },
    ],
  },

  relay: {
    name: "mcp-tunnel",
    knows: ["shared", "protocol", "config", "cluster", "dashboard"],
    layers: [
      {
        "check.ts": "the check of a value that a program gave",
        "client-package.ts": "the client's command, which the relay hands out",
        "version.ts": "the version of the package",
        files: "files that could not be read again",
        net: "addresses, host and port, listening and closing",
      },
      {
        "limits.ts": "the table of the limits",
        forwarded: "who the visitor is, and what the local service is told of it",
      },
      { telemetry: "the log, and observers of what happens" },
      {
        admission: "what one address, and all together, may take",
        auth: "who may have which name",
      },
      {
        tls: "certificates, from files and by ACME, and the keys of tickets",
        tunnels: "who serves a name, and what waits for it",
      },
      { registration: "clients who connect and ask for a tunnel" },
      { cluster: "the relay as one of several, asked and asking" },
      { http: "requests and responses, whichever HTTP they come by" },
      {
        "http/answer": "what the relay answers itself",
        "http/wire": "the differences between HTTP/1.1 and HTTP/2",
      },
      { "http/exchange": "one request on its way through a tunnel and back" },
      { "http/route": "which tunnel a request is for, and whether it may pass" },
      { "http/server": "the servers that visitors connect to" },
      { "options.ts": "what createRelay takes, checked and complete" },
      { "relay.ts": "the parts, put together, started and closed" },
      { admin: "the admin server, and the metrics" },
      {
        "cli/options": "flags, variables and the config file",
        "cli/output": "what the command prints",
      },
      { "cli/check": "what cannot work with the options, and what is wrong with the files that they name" },
      { "cli/admin": "requests to a running relay's admin API" },
      { "cli/doctor": "what the doctor looks at" },
      { "cli/serving": "the relay of the command in one process: its logs, and what it says" },
      { "cli/workers": "several processes as one relay" },
      { "cli/commands": "what each command does" },
      {
        "admin.ts": "the entry /admin: the operator's listener",
        "index.ts": "the package's entry",
        "metrics.ts": "the entry /metrics: what a relay counts",
        cli: "the command mcp-tunnel",
      },
    ],
  },

  client: {
    name: "mcp-tunnel-client",
    knows: ["shared", "protocol"],
    layers: [
      {
        "aside.ts": "code of the user's, run so that it breaks nothing here",
        "refusals.ts": "what the relay refused, in words",
        "relay-client.ts": "which package of the client the relay serves",
        "relay-headers.ts": "header fields for the handshake with the relay",
        "state.ts": "the states of a client",
        "version.ts": "the version of the package",
        net: "names looked up, and errors of TLS explained",
      },
      { service: "what answers visitors, and one exchange with it" },
      { "own-exchange.ts": "the entry /own-exchange: requests that a wrapper of a service sends to it" },
      { "service/http": "a service behind HTTP: requests forwarded, answers brought back" },
      { "service/handler": "a handler or a server of the program itself" },
      {
        "relay-place.ts": "which relay is meant, and the way to it",
        "service-options.ts": "what is served, and how it is told of visitors",
      },
      {
        "create-service.ts": "the service that options stand for",
        "events.ts": "what a client tells its program",
        "options.ts": "what startTunnelClient takes, checked and complete",
      },
      { "event-log.ts": "the events of a client as lines of a log" },
      {
        "option-values.ts": "the entry /options: what a command shows of the options",
        "telling.ts": "the events of a client, told to its program",
        connect: "the way to the relay, and to it again",
      },
      { "client.ts": "the client, from start to end" },
      { "index.ts": "the package's entry" },
    ],
  },

  stdio: {
    name: "mcp-tunnel-stdio",
    knows: ["shared", "protocol"],
    layers: [
      {
        "browser-pages.ts": "what a person sees who opens the address of a server",
        "events.ts": "what the person who runs a server is told of it",
        "message.ts": "a JSON-RPC message, and what the bridge reads of it",
        "version.ts": "the version of the package",
        config: "the files in which hosts keep their servers",
      },
      {
        "paths.ts": "where each of several servers answers",
        "batch.ts": "several messages in one array",
        "event-text.ts": "what happens, as lines of text",
        "options.ts": "what a server and the bridge to it take, checked and complete",
        "pipe.ts": "a server's process, as the bridge sees it",
      },
      { child: "a server's process and its group, from start to end" },
      { http: "requests read, the bridge's own answers, and streams of events" },
      { legacy: "revisions up to 2025-11-25: a session and a process for each visitor" },
      { modern: "revision 2026-07-28: one process for all requests" },
      { "server.ts": "one server: requests taken to the era that they are of" },
      { "servers.ts": "several servers, each at a path of its own" },
      { "index.ts": "the package's entry", command: "the command mcp-tunnel-stdio" },
    ],
  },

  gate: {
    name: "mcp-tunnel-gate",
    knows: ["shared", "protocol", "client"],
    layers: [
      {
        "crowd.ts": "who leaves a place that is full",
        "events.ts": "what the person who runs a gate is told of it",
        "grants.ts": "what OAuth keeps over restarts",
        "paths.ts": "the paths that the gate answers itself",
        "proquints.ts": "words that are drawn and can be pronounced",
        "visit.ts": "a visitor's request, and what is decided about it",
      },
      { "options.ts": "what a gate takes" },
      {
        "admitted.ts": "a stream that was let in, until it is over",
        "answers.ts": "what the gate answers itself",
        credentials: "keys, passwords and addresses",
        "declaration.ts": "what a relay is told of a gate",
        "fields.ts": "the fields of a visit, taken apart",
        "option-shapes.ts": "the types of the options, checked",
        "option-values.ts": "the entry /options: what a command shows of the options",
        "own-login.ts": "a look whether the service asks for a login of its own",
        "page-fields.ts": "the fields for the gate's own pages",
        "refused-events.ts": "refusals, told once a second",
        state: "the entry /state: what was drawn, and what lasts, in files",
        "tries.ts": "how often each visitor may try",
      },
      { oauth: "the authorization server, its tokens and its metadata" },
      { consent: "the pages on which people consent, and who may" },
      { "proofs.ts": "what a visitor has shown, and what it is worth" },
      { "gate.ts": "the gate, which decides about each visit" },
      { "handler.ts": "a gate before a handler, without a tunnel" },
      {
        "index.ts": "the package's entry",
        "service.ts": "the entry /service: a gate before the service of a tunnel",
      },
    ],
  },

  // What the two pages are made of. It runs in browsers.
  page: {
    name: "mcp-tunnel-page",
    knows: [],
    modules: { "*": ["preact", "@preact/signals"] },
    layers: [
      {
        "format.ts": "sizes, times and counts in words",
        "notice.ts": "what has just been done or has failed",
        "printable.ts": "strangers' text without what cannot be seen",
        "router.ts": "what the page shows, in the query of its URL",
        "rows.ts": "keys that move among the rows of a list",
        "storage.ts": "the browser's storage, which it may refuse",
      },
      {
        "clipboard.ts": "texts to copy",
        "keys.ts": "letters and signs that do something",
        "link.tsx": "links within the page",
        "notice-place.tsx": "where notices are shown",
        "secret.ts": "the secret of the API, as a tab keeps it",
      },
      { "api.ts": "the API of the page's own origin", "dialog.tsx": "a modal dialog" },
      { "keys-dialog.tsx": "the keys, in a list", "question.tsx": "what is asked before something is done" },
    ],
  },

  dashboard: {
    name: "mcp-tunnel-dashboard",
    knows: [],
    modules: { "*": ["#page"] },
    layers: [{ "index.ts": "the page as files", "model.ts": "the entry /model: what the page's API speaks" }],
  },

  inspector: {
    name: "mcp-tunnel-inspector",
    knows: ["shared", "protocol", "client"],
    layers: [
      {
        "limits.ts": "bounds of what is kept",
        "model.ts": "the entry /model: what the API speaks",
        "rpc.ts": "what is read of a JSON-RPC message",
        secrets: "what is hidden, and how it is told",
        "slices.ts": "work that leaves the tunnel its time",
        sse: "an event stream, split into its events",
        "version.ts": "the version of the package",
      },
      {
        "encodings.ts": "a Content-Encoding, undone",
        lines: "what is read of a request for its line, with nothing of the ring",
        "reading.ts": "what was read of the MCP messages of one entry",
      },
      {
        "captured.ts": "one entry of the ring, as the other rooms read it",
        "servers.ts": "processes of MCP servers on stdio",
      },
      { capture: "what passes, kept within bounds" },
      { mcp: "sessions, calls and their timelines, read from what is kept" },
      { views: "entries as the API and exports show them" },
      { query: "which entries match the filters" },
      { record: "a HAR file, written as exchanges end" },
      { replay: "requests that are sent to the service again" },
      { server: "the page and its API, on this machine alone" },
      { "tap.ts": "a tunnel, as the inspector follows it" },
      { "inspector.ts": "the parts, put together" },
      {
        "index.ts": "the package's entry",
        "lines.ts": "the entry /lines: what a terminal tells of requests",
      },
    ],
  },

  cli: {
    name: "mcp-tunnel-cli",
    knows: ["shared", "protocol", "config", "client", "stdio", "gate", "inspector"],
    layers: [
      {
        credentials: "relays and the tokens for them, kept by a login",
        output: "where lines go: a terminal or a file",
        "version.ts": "the version of the package",
      },
      { options: "the command line and the environment, read" },
      { config: "the config file: where it is, and the tunnels in it" },
      { render: "what happens, in words for a person and in JSON for a program" },
      { tunnel: "a tunnel: its client, what it serves, and what stands around that" },
      { doctor: "what is wrong with a tunnel, and what to do" },
      { commands: "what each command does" },
      { "main.ts": "the command mcp-tunnel-client" },
    ],
  },
};
