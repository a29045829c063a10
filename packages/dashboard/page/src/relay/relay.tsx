import { printable } from "mcp-tunnel-page/printable.ts";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { Overview } from "../../../src/model.ts";
import { dateText, longText } from "../parts/when.ts";
import { overview, overviews } from "../store.ts";
import { AnswerTable } from "./answers.tsx";
import { attentionOf } from "./attention.ts";
import { Certificates } from "./certificates.tsx";
import { Charts } from "./charts.tsx";
import { Processes, Relays } from "./cluster.tsx";
import { EventTable, LimitTable, RefusalTable } from "./counts.tsx";
import "./relay.css";

export function RelayPage() {
  const now = overview.value;
  return (
    // A box that scrolls has to be reached by keyboard, and there is nothing to press in this one.
    <main class="page relay" tabIndex={0}>
      <h2 class="offscreen">Relay</h2>
      {now !== undefined && <Shown now={now} />}
    </main>
  );
}

function Shown({ now }: { readonly now: Overview }) {
  return (
    <>
      <Facts now={now} />
      <ToSee />
      <Charts />
      <div class="relay-parts">
        <Part title="Answers">
          <AnswerTable />
        </Part>
        <Part title="Refused by the relay">
          <RefusalTable />
        </Part>
        <Part title="Limits that took effect">
          <LimitTable />
        </Part>
        <Part title="What happened to tunnels">
          <EventTable />
        </Part>
        <Part title="Certificates">
          <Certificates all={now.certificates} />
        </Part>
        {now.cluster !== undefined && (
          <Part title="Relays of the cluster">
            <Relays cluster={now.cluster} />
          </Part>
        )}
        {now.relay.workers !== undefined && (
          <Part title="Processes">
            <Processes workers={now.relay.workers} />
          </Part>
        )}
      </div>
    </>
  );
}

function Part({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  const id = useId();
  return (
    <section class="part" aria-labelledby={id}>
      <h3 id={id}>{title}</h3>
      {children}
    </section>
  );
}

function Facts({ now: { at, relay, tunnels, tokens, cluster } }: { readonly now: Overview }) {
  const gated = `${tunnels.gated.toLocaleString("en")} with a gate`;
  const facts: readonly (readonly [name: string, value: string, more?: string])[] = [
    ["Version", printable(relay.version, true)],
    ["Up for", longText(at - relay.startedAt), `since ${dateText(relay.startedAt)}`],
    [
      cluster === undefined ? "Tunnels online" : "Tunnels online here",
      tunnels.online.toLocaleString("en"),
      `${tunnels.away} away, ${tunnels.leaving} leaving, ${gated}`,
    ],
    ["Tokens", { file: "in a file", none: "any is let in", other: "not in a file" }[tokens]],
    ...(relay.node === undefined ? [] : ([["Id", printable(relay.node, true)]] as const)),
    ...Object.entries(relay.localPorts).map(
      ([name, port]) => ["Local port", `${port}`, printable(name, true)] as const,
    ),
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value, more]) => (
        <div key={`${name} ${more}`}>
          <dt>{name}</dt>
          <dd>
            {value}
            {more !== undefined && <span class="muted facts-more">{more}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** What the operator should see to. It is not read out as it comes: counts in it change often. */
function ToSee() {
  const all = attentionOf(overviews.value, Date.now());
  if (all.length === 0) return null;
  return (
    <section class="to-see" aria-label="To see to">
      <ul>
        {all.map(({ tone, text, more }) => (
          <li key={text} class={`to-see-item ${tone}`}>
            <strong>{text}</strong>
            {more !== undefined && <span class="to-see-more"> {more}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
