import type { ServerResponse } from "node:http";
import { type Answer, ApiProblem, readJson, type Route, sendNothing } from "mcp-tunnel-shared/page";
import type { Captured } from "../captured.js";
import type { ExchangeSummary } from "../model.js";
import { readFilters } from "../query/filters.js";
import { inSlices } from "../slices.js";
import { sendJson, sendText } from "./answer.js";
import type { ServerParts } from "./parts.js";
import { readPaused, readReplayRequest } from "./request-bodies.js";
import { route } from "./routes.js";
import type { Streams } from "./streams.js";

/** Exchanges that a list has unless `limit` says another number. */
const standardLimit = 200;
/** Bytes of the longest request body. An edited message is the longest that anybody sends. */
const maxBodyBytes = 1_024 * 1_024;

/** The API, as docs/inspector-api.md describes it and model.ts has its types. */
export function apiRoutes(parts: ServerParts, streams: Streams): readonly Route[] {
  const { mcp, ring, servers, views, replayer } = parts;

  const entryOf = (id = ""): Captured => {
    const entry = ring.find(Number(id));
    if (entry === undefined) throw notFound("no exchange with this id is kept (any more)");
    return entry;
  };
  const filtersOf = (query: URLSearchParams): ((entry: Captured) => boolean) =>
    readFilters(query, (entry) => views.summary(entry));

  const list: Answer = async ({ res, query }) => {
    const limit = takeNumber(query, "limit") ?? standardLimit;
    const before = takeNumber(query, "before") ?? Infinity;
    const matches = filtersOf(query);
    const exchanges: ExchangeSummary[] = [];
    for await (const entry of inSlices([...ring.entries()].toReversed())) {
      if (res.destroyed || exchanges.length >= limit) break;
      if (entry.id < before && matches(entry)) exchanges.push(views.summary(entry));
    }
    sendJson(res, { exchanges });
  };

  const har: Answer = async ({ req, res, query }) => {
    const matches = filtersOf(query);
    res.writeHead(200, {
      "Content-Type": "application/json",
      "Content-Disposition": 'attachment; filename="mcp-tunnel.har"',
    });
    if (req.method === "HEAD") return void res.end();
    const [before, after] = views.har();
    res.write(before);
    let comma = "";
    // The ring may drop entries while somebody takes his time to read.
    const ids = [...ring.entries()].map(({ id }) => id);
    for await (const id of inSlices(ids)) {
      if (res.destroyed) return;
      const entry = ring.find(id);
      if (entry === undefined || !matches(entry)) continue;
      const isWelcome = res.write(`${comma}${JSON.stringify(views.harEntry(entry))}`);
      comma = ",";
      if (!isWelcome) await drained(res);
    }
    res.end(after);
  };

  return [
    route("/api/state", { GET: ({ res }) => sendJson(res, parts.state()) }),
    route("/api/stream", {
      GET: ({ req, res, query }) => {
        const wanted = { matches: filtersOf(query), isAging: (query.get("slower") ?? "") !== "" };
        streams.open(req, res, wanted);
      },
    }),
    route("/api/exchanges", {
      GET: list,
      DELETE: ({ res }) => {
        parts.clear();
        sendNothing(res);
      },
    }),
    route("/api/exchanges/ID", {
      GET: ({ res, args: [id] }) => sendJson(res, views.detail(entryOf(id))),
    }),
    route("/api/exchanges/ID/hidden/MARK", {
      GET: ({ res, args: [id, mark = ""] }) => {
        const value = views.hidden(entryOf(id), mark);
        if (value === undefined)
          throw notFound("nothing with this mark is hidden in this exchange (any more)");
        sendJson(res, { value });
      },
    }),
    route("/api/exchanges/ID/curl", { GET: ({ res, args: [id] }) => sendText(res, views.curl(entryOf(id))) }),
    route("/api/exchanges/ID/replay", {
      POST: async ({ req, res, args: [id] }) => {
        const request = readReplayRequest(await readJson(req, maxBodyBytes));
        sendJson(res, await replayer.replay(entryOf(id), request), 202);
      },
    }),
    route("/api/exchanges/ID/cancel", {
      POST: ({ res, args: [id] }) => {
        if (!replayer.cancel(Number(id))) throw notFound("no replay with this id is open (any more)");
        sendNothing(res);
      },
    }),
    route("/api/har", { GET: har }),
    route("/api/sessions", { GET: ({ res }) => sendJson(res, { sessions: mcp.sessions() }) }),
    route("/api/sessions/KEY", {
      GET: ({ res, args: [key = ""] }) => {
        const session = mcp.session(key);
        if (session === undefined) throw notFound("no session with this key is kept (any more)");
        sendJson(res, session);
      },
    }),
    route("/api/calls/KEY", {
      GET: ({ res, args: [key = ""] }) => {
        const call = views.call(key);
        if (call === undefined) throw notFound("no call with this key is kept (any more)");
        sendJson(res, call);
      },
    }),
    route("/api/servers", { GET: ({ res }) => sendJson(res, { servers: servers.states() }) }),
    route("/api/pause", {
      POST: async ({ req, res }) => {
        parts.pause(readPaused(await readJson(req, maxBodyBytes)));
        sendJson(res, parts.state());
      },
    }),
  ];
}

const notFound = (message: string): ApiProblem => new ApiProblem(404, "not_found", message);

/** Takes a parameter that is no filter out of the query. */
function takeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  query.delete(name);
  if (text === null || text === "") return undefined;
  if (!/^[1-9][0-9]{0,14}$/.test(text)) {
    throw new ApiProblem(400, "bad_request", `'${name}' has to be a number above 0`);
  }
  return Number(text);
}

/** Until the reader has taken what was written, or has left. */
function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      res.off("drain", go);
      res.off("close", go);
      resolve();
    };
    res.on("drain", go);
    res.on("close", go);
  });
}
