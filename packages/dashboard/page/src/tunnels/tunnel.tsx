import { useSignal } from "@preact/signals";
import { ApiProblem } from "mcp-tunnel-page/api.ts";
import { copyText } from "mcp-tunnel-page/clipboard.ts";
import { bytesText, durationText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { TunnelPage as Answer, TunnelRow } from "../../../src/model.ts";
import { Chart } from "../parts/chart.tsx";
import { Link } from "../parts/link.tsx";
import { byteRateText, rateText } from "../parts/numbers.ts";
import { dateText, longText } from "../parts/when.ts";
import { usePoll } from "../poll.ts";
import { keptMs, type Point } from "../rates.ts";
import { go } from "../route.ts";
import { DisconnectQuestion } from "./disconnect.tsx";
import { Gate, Marks } from "./table.tsx";
import { bytesOf, keyOf, TunnelRates } from "./tunnel-rates.ts";
import "./tunnels.css";

/** One tunnel, or all members of a pool. */
export function TunnelPage({ name }: { readonly name: string }) {
  const [isAsking, setAsking] = useState(false);
  const members = useMembers(name);
  const { data, problem, refresh } = members;
  useKeys({ Escape: () => go({ tunnel: undefined }) });
  const isGone = problem instanceof ApiProblem && problem.status === 404;
  const first = data?.[0];
  return (
    <main class="page tunnel" tabIndex={-1}>
      <p class="back">
        <Link to={{ tunnel: undefined }}>← All tunnels</Link>
      </p>
      <header class="tunnel-head">
        <h2>
          {printable(name, true)} {first !== undefined && !isGone && <Marks tunnel={first} />}
        </h2>
        {first !== undefined && !isGone && (
          <div class="actions">
            <button type="button" class="button" onClick={() => void copyText(first.url, "the public URL")}>
              Copy URL
            </button>
            <button type="button" class="button danger" onClick={() => setAsking(true)}>
              Disconnect
            </button>
          </div>
        )}
      </header>
      {problem !== undefined && problem.code !== "unreachable" && (
        <p class={isGone ? "muted" : "bad"} role="alert">
          {isGone ? "This tunnel is not there, or not any more." : printable(problem.message)}
        </p>
      )}
      {!isGone && data?.map((tunnel) => <Member key={keyOf(tunnel)} tunnel={tunnel} seen={members.seen} />)}
      {isAsking && (
        <DisconnectQuestion
          name={name}
          members={data?.length ?? 1}
          onDone={refresh}
          onClose={() => setAsking(false)}
        />
      )}
    </main>
  );
}

interface Members {
  readonly data: readonly TunnelRow[] | undefined;
  readonly problem: ApiProblem | undefined;
  readonly refresh: () => Promise<void>;
  readonly seen: readonly Seen[];
}

/** What was seen of each tunnel at one time. */
interface Seen {
  readonly at: number;
  readonly of: ReadonlyMap<string, { readonly requests: number; readonly bytes: number } | undefined>;
}

/** The tunnels that have the name. The API finds names by a part of them, and a pool has more than one. */
function useMembers(name: string): Members {
  const rates = useSignal(new TunnelRates());
  const seen = useSignal<readonly Seen[]>([]);
  const one = usePoll<TunnelRow>(`tunnels/${encodeURIComponent(name)}`, {
    onData: (tunnel) => {
      if (!tunnel.pool) remember([tunnel]);
    },
  });
  const isPool = one.data?.pool === true;
  const all = usePoll<Answer>(
    isPool ? `tunnels?${new URLSearchParams({ q: name, limit: "1000" })}` : undefined,
    {
      onData: ({ tunnels }) => remember(tunnels.filter((tunnel) => tunnel.name === name)),
    },
  );
  const remember = (tunnels: readonly TunnelRow[]): void => {
    const at = Date.now();
    rates.peek().take(tunnels, performance.now());
    const of = new Map(tunnels.map((tunnel) => [keyOf(tunnel), rates.peek().of(tunnel)]));
    seen.value = [...seen.peek().filter((before) => at - before.at <= keptMs), { at, of }];
  };
  const members = isPool ? all.data?.tunnels.filter((tunnel) => tunnel.name === name) : undefined;
  return {
    data: members ?? (one.data === undefined ? undefined : [one.data]),
    problem: one.problem ?? all.problem,
    refresh: one.refresh,
    seen: seen.value,
  };
}

function Member({ tunnel, seen }: { readonly tunnel: TunnelRow; readonly seen: readonly Seen[] }) {
  const key = keyOf(tunnel);
  const points = (value: "requests" | "bytes"): readonly Point[] =>
    seen.map(({ at, of }) => ({ at, value: of.get(key)?.[value] }));
  const until = seen.at(-1)?.at ?? 0;
  const now = seen.at(-1)?.of.get(key);
  return (
    <section class="member" aria-label={`The client at ${printable(tunnel.address, true)}`}>
      <div class="charts">
        <Chart
          title="Requests a second"
          now={now === undefined ? "…" : rateText(now.requests)}
          series={[{ class: "series-main", points: points("requests") }]}
          until={until}
          format={rateText}
        />
        <Chart
          title="Both ways"
          now={now === undefined ? "…" : byteRateText(now.bytes)}
          series={[{ class: "series-main", points: points("bytes") }]}
          until={until}
          format={byteRateText}
        />
      </div>
      <Facts tunnel={tunnel} />
    </section>
  );
}

const states: Readonly<Record<TunnelRow["state"], string>> = {
  online: "online",
  away: "away: its client has lost the connection, and is expected back",
  leaving: "leaving: its client opens another tunnel",
};

function Facts({ tunnel }: { readonly tunnel: TunnelRow }) {
  const { url, state, since, address, client, token, note, wire, gate, rttMs, relay } = tunnel;
  const isLink = /^https?:\/\//.test(url);
  const facts: readonly (readonly [name: string, value: ComponentChildren])[] = [
    ["State", states[state]],
    [
      "URL",
      isLink ? (
        <a class="mono" href={url} target="_blank" rel="noreferrer">
          {printable(url, true)}
        </a>
      ) : (
        <span class="mono">{printable(url, true)}</span>
      ),
    ],
    ["Owner", note === undefined ? "no note" : printable(note, true)],
    [
      "Token",
      token === undefined ? "not from a token file" : <span class="mono">{printable(token, true)}</span>,
    ],
    ["Client", client === undefined ? "not said" : printable(`${client.name} ${client.version}`, true)],
    ["Address", <span class="mono">{printable(address, true)}</span>],
    ["Since", `${dateText(since)}, for ${longText(Date.now() - since)}`],
    ...(relay === undefined ? [] : [["Relay", <span class="mono">{printable(relay, true)}</span>] as const]),
    ["Gate", <Gate gate={gate} />],
    ["Wire", wire === undefined ? "not known while its client is away" : printable(wire, true)],
    ["Round trip", rttMs === undefined ? "not measured yet" : durationText(rttMs)],
    ["Requests", `${tunnel.requests.toLocaleString("en")}, and ${tunnel.streams.toLocaleString("en")} open`],
    ["From visitors", bytesText(tunnel.requestBytes)],
    ["To visitors", `${bytesText(tunnel.responseBytes)}, ${bytesText(bytesOf(tunnel))} in all`],
    ["Waiting", `${bytesText(tunnel.queuedBytes)} for the client or its acknowledgement`],
  ];
  return (
    <dl class="facts-list">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
