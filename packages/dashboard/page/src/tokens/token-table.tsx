import { bytesText, countText } from "mcp-tunnel-page/format.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { useState } from "preact/hooks";
import type { TokenRow } from "../../../src/model.ts";
import { Link } from "../parts/link.tsx";
import { dateText, untilText } from "../parts/when.ts";
import { expiryOf } from "./expiry.ts";
import { nameOf } from "./questions.tsx";

/** What is done with one token. */
export interface TokenDoing {
  readonly kind: "edit" | "rotate" | "revoke";
  readonly token: TokenRow;
}

export interface TokenTableProps {
  readonly tokens: readonly TokenRow[];
  readonly onDo: (doing: TokenDoing) => void;
}

const rowsOfPage = 200;

export function TokenTable({ tokens, onDo }: TokenTableProps) {
  const [shown, setShown] = useState(rowsOfPage);
  return (
    <>
      <table class="token-table as-cards" role="table" aria-label="Tokens">
        <thead role="rowgroup">
          <tr role="row">
            {["Token", "Names", "Good until", "Limits", "Tunnels", "Do"].map((name) => (
              <th
                key={name}
                role="columnheader"
                scope="col"
                class={name === "Tunnels" ? "number" : undefined}
              >
                {name === "Do" ? <span class="offscreen">What can be done</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {tokens.slice(0, shown).map((token) => (
            <Row key={token.id} token={token} onDo={onDo} />
          ))}
        </tbody>
      </table>
      {tokens.length > shown && (
        <button type="button" class="button tokens-more" onClick={() => setShown(shown + rowsOfPage)}>
          {countText(tokens.length - shown, "more token")}
        </button>
      )}
    </>
  );
}

function Row({ token, onDo }: { readonly token: TokenRow; readonly onDo: (doing: TokenDoing) => void }) {
  const { id, note, subdomains, tunnels } = token;
  const named = <span class="offscreen"> {nameOf(token)}</span>;
  return (
    <tr role="row">
      <th role="rowheader" scope="row" class="token">
        {note !== undefined && note !== "" && <strong class="cut">{printable(note, true)}</strong>}
        <span class="second cut mono">{printable(id, true)}</span>
      </th>
      <td role="cell" class="names" data-label="Names">
        <span>
          {subdomains.map((name) => (
            <code key={name}>{printable(name, true)} </code>
          ))}
        </span>
      </td>
      <td role="cell" class="expires" data-label="Good until">
        <Expiry token={token} />
      </td>
      <td role="cell" class="limits" data-label="Limits">
        <LimitsOf token={token} />
      </td>
      <td role="cell" class="number" data-label="Tunnels">
        {tunnels === 0 ? (
          "0"
        ) : (
          <Link to={{ view: "tunnels", find: id, page: 1 }}>
            {tunnels.toLocaleString("en")}
            <span class="offscreen"> tunnels of</span>
            {named}
          </Link>
        )}
      </td>
      <td role="cell" class="do">
        <button type="button" class="button" onClick={() => onDo({ kind: "edit", token })}>
          Edit{named}
        </button>
        <button type="button" class="button" onClick={() => onDo({ kind: "rotate", token })}>
          Rotate{named}
        </button>
        <button type="button" class="button danger" onClick={() => onDo({ kind: "revoke", token })}>
          Revoke{named}
        </button>
      </td>
    </tr>
  );
}

function Expiry({ token: { expires } }: { readonly token: TokenRow }) {
  const at = expires === undefined ? undefined : expiryOf(expires);
  if (at === undefined) return <span class="muted">no end</span>;
  const now = Date.now();
  if (at <= now) return <span class="badge bad">expired {untilText(at, now)}</span>;
  const isSoon = at - now < 7 * 86_400_000;
  return (
    <>
      {dateText(at)}
      <span class={isSoon ? "second warn" : "second"}>{untilText(at, now)}</span>
    </>
  );
}

function LimitsOf({
  token: { maxTunnels, maxRequestsPerSecond, maxBytesPerSecond },
}: {
  readonly token: TokenRow;
}) {
  const limits = [
    ...(maxTunnels === undefined ? [] : [countText(maxTunnels, "tunnel")]),
    ...(maxRequestsPerSecond === undefined ? [] : [`${countText(maxRequestsPerSecond, "request")}/s`]),
    ...(maxBytesPerSecond === undefined ? [] : [`${bytesText(maxBytesPerSecond)}/s`]),
  ];
  if (limits.length === 0) return <span class="muted">the relay's own</span>;
  return <>{limits.join(", ")}</>;
}
