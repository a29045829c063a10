import { bytesText, durationText } from "mcp-tunnel-page/format.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import type { ComponentChildren } from "preact";
import type { SortKey, TunnelRow } from "../../../src/model.ts";
import { byteRateText, rateText } from "../parts/numbers.ts";
import { Link } from "../parts/link.tsx";
import { dateText, longText } from "../parts/when.ts";
import { go, route } from "../route.ts";
import { bytesOf, keyOf, type TunnelRates } from "./tunnel-rates.ts";

/** The columns, with the order in which a click sorts first. */
const columns: readonly (readonly [
  name: string,
  className: string,
  sort?: readonly [SortKey, isDescending: boolean],
])[] = [
  ["Tunnel", "name", ["name", false]],
  ["Owner", "owner"],
  ["Client", "client"],
  ["Up for", "up", ["since", true]],
  ["Gate", "gate"],
  ["Round trip", "number rtt", ["rtt", true]],
  ["Requests", "number requests", ["requests", true]],
  ["Bytes", "number bytes", ["bytes", true]],
  ["Open", "number open", ["streams", true]],
];

export interface TunnelTableProps {
  readonly tunnels: readonly TunnelRow[];
  readonly rates: TunnelRates;
}

// In a narrow window the rows are laid out otherwise, and browsers may then take a table for none. So the
// roles are written.
export function TunnelTable({ tunnels, rates }: TunnelTableProps) {
  return (
    <table class="tunnel-table as-cards" role="table" aria-label="Tunnels">
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(([name, className, sort]) => (
            <Head key={name} class={className} sort={sort}>
              {name}
            </Head>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {tunnels.map((tunnel, place) => (
          <Row key={keyOf(tunnel)} tunnel={tunnel} rates={rates} isReached={place === 0} />
        ))}
      </tbody>
    </table>
  );
}

interface HeadProps {
  readonly class: string;
  readonly sort: readonly [SortKey, boolean] | undefined;
  readonly children: ComponentChildren;
}

function Head({ class: className, sort, children }: HeadProps) {
  if (sort === undefined) {
    return (
      <th role="columnheader" scope="col" class={className}>
        {children}
      </th>
    );
  }
  const [key, first] = sort;
  const now = route.value;
  const isChosen = now.sort === key;
  const direction = now.isDescending ? "descending" : "ascending";
  return (
    <th role="columnheader" scope="col" class={className} aria-sort={isChosen ? direction : "none"}>
      <button
        type="button"
        class="sort"
        onClick={() =>
          go({ sort: key, isDescending: isChosen ? !now.isDescending : first, page: 1 }, "replace")
        }
      >
        {children}
        <span class="sort-mark" aria-hidden="true">
          {isChosen ? (now.isDescending ? "▾" : "▴") : ""}
        </span>
      </button>
    </th>
  );
}

interface RowProps {
  readonly tunnel: TunnelRow;
  readonly rates: TunnelRates;
  readonly isReached: boolean;
}

function Row({ tunnel, rates, isReached }: RowProps) {
  const { name, address, relay, client, since, gate, rttMs, requests, streams, state } = tunnel;
  const rate = rates.of(tunnel);
  return (
    <tr role="row" class={state === "online" ? undefined : "row-away"}>
      <th role="rowheader" scope="row" class="name">
        <Link to={{ tunnel: name }} class="row-link" row={{ isReached }}>
          <strong class="cut">{printable(name, true)}</strong>
        </Link>
        <span class="tunnel-place">
          <Marks tunnel={tunnel} />
          <span class="second cut mono">
            {printable(address, true)}
            {relay !== undefined && ` at ${printable(relay, true)}`}
          </span>
        </span>
      </th>
      <td role="cell" class="owner" data-label="Owner">
        <Owner tunnel={tunnel} />
      </td>
      <td role="cell" class="client" data-label="Client">
        <span class="cut">{client === undefined ? "not said" : printable(client.name, true)}</span>
        <span class="second cut">{client !== undefined && printable(client.version, true)}</span>
      </td>
      <td role="cell" class="up" data-label="Up for" title={`since ${dateText(since)}`}>
        {longText(Date.now() - since)}
      </td>
      <td role="cell" class="gate" data-label="Gate">
        <Gate gate={gate} />
      </td>
      <td role="cell" class="number rtt" data-label="Round trip">
        {rttMs === undefined ? "–" : durationText(rttMs)}
      </td>
      <td role="cell" class="number requests" data-label="Requests">
        {requests.toLocaleString("en")}
        <span class="second">{rate !== undefined && `${rateText(rate.requests)}/s`}</span>
      </td>
      <td role="cell" class="number bytes" data-label="Bytes">
        {bytesText(bytesOf(tunnel))}
        <span class="second">{rate !== undefined && byteRateText(rate.bytes)}</span>
      </td>
      <td role="cell" class="number open" data-label="Open">
        {streams.toLocaleString("en")}
      </td>
    </tr>
  );
}

/** Who has the token, as far as the relay knows it. */
function Owner({ tunnel: { note, token } }: { readonly tunnel: TunnelRow }) {
  if (note === undefined && token === undefined) return <span class="muted">not known</span>;
  return (
    <>
      {note !== undefined && <span class="cut">{printable(note, true)}</span>}
      {token !== undefined && <span class="second cut mono">{printable(token, true)}</span>}
    </>
  );
}

/** What is out of the ordinary. */
export function Marks({ tunnel: { state, pool, wire } }: { readonly tunnel: TunnelRow }) {
  return (
    <>
      {state === "away" && <span class="badge warn">away</span>}
      {state === "leaving" && <span class="badge">leaving</span>}
      {pool && <span class="badge">pool</span>}
      {wire !== undefined && wire !== "v1" && <span class="badge">{wire}</span>}
    </>
  );
}

/** What visitors have to show, as the client says. */
export function Gate({ gate }: Pick<TunnelRow, "gate">) {
  if (gate === null) return <span class="muted">none</span>;
  if (gate.length === 0) return <span class="badge">addresses</span>;
  return (
    <span class="gate-kinds">
      {gate.map((kind) => (
        <span key={kind} class="badge good">
          {printable(kind, true)}
        </span>
      ))}
    </span>
  );
}
