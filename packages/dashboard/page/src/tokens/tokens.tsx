import { bytesText, countText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { say } from "mcp-tunnel-page/notice.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Question } from "mcp-tunnel-page/question.tsx";
import { useRef, useState } from "preact/hooks";
import type { NewToken, TokenRow } from "../../../src/model.ts";
import { sendJson } from "../api.ts";
import { Link } from "../parts/link.tsx";
import { dateText, untilText } from "../parts/when.ts";
import { usePoll } from "../poll.ts";
import { expiryOf } from "./expiry.ts";
import { changeOf, draftOf, fieldsOf } from "./fields.ts";
import { NewTokenDialog } from "./new-token.tsx";
import { TokenForm } from "./token-form.tsx";
import "./tokens.css";

/** What is done with tokens at the moment. */
type Doing =
  | { readonly kind: "nothing" | "create" }
  | { readonly kind: "edit" | "rotate" | "revoke"; readonly token: TokenRow }
  | { readonly kind: "show"; readonly created: NewToken; readonly title: string };

const pathOf = ({ id }: TokenRow): string => `tokens/${encodeURIComponent(id)}`;

export function TokensPage() {
  const { data, problem, refresh } = usePoll<{ readonly tokens: readonly TokenRow[] }>("tokens");
  const [doing, setDoing] = useState<Doing>({ kind: "nothing" });
  const rest = (): void => setDoing({ kind: "nothing" });
  const isElsewhere = problem?.code === "no_token_file";
  useKeys(isElsewhere ? {} : { n: () => setDoing({ kind: "create" }) });
  return (
    <main class="page tokens" tabIndex={-1}>
      <div class="toolbar">
        <h2>Tokens</h2>
        <span class="toolbar-count">
          {data !== undefined && !isElsewhere && countText(data.tokens.length, "token")}
        </span>
        {data !== undefined && !isElsewhere && (
          <button type="button" class="button primary" onClick={() => setDoing({ kind: "create" })}>
            Create a token
          </button>
        )}
      </div>
      {isElsewhere ? (
        <NoTokenFile />
      ) : (
        <>
          {problem !== undefined && problem.code !== "unreachable" && (
            <p class="bad page-problem" role="alert">
              {printable(problem.message)}
            </p>
          )}
          {data?.tokens.length === 0 && <NoTokens />}
          {data !== undefined && data.tokens.length > 0 && <TokenList tokens={data.tokens} onDo={setDoing} />}
        </>
      )}
      <Dialogs doing={doing} setDoing={setDoing} onChanged={refresh} onClose={rest} />
    </main>
  );
}

interface DialogsProps {
  readonly doing: Doing;
  readonly setDoing: (doing: Doing) => void;
  readonly onChanged: () => Promise<void>;
  readonly onClose: () => void;
}

function Dialogs({ doing, setDoing, onChanged, onClose }: DialogsProps) {
  const show = (created: NewToken, title: string): void => {
    setDoing({ kind: "show", created, title });
    void onChanged();
  };
  switch (doing.kind) {
    case "nothing":
      return null;
    case "create":
      return (
        <TokenForm
          title="Create a token"
          action="Create"
          draft={draftOf({})}
          onSend={async (draft) =>
            show(await sendJson<NewToken>("POST", "tokens", fieldsOf(draft)), "A new token")
          }
          onClose={onClose}
        />
      );
    case "edit": {
      const before = draftOf(doing.token);
      return (
        <TokenForm
          title={`Edit ${nameOf(doing.token)}`}
          action="Save"
          draft={before}
          onSend={async (draft) => {
            await sendJson("PATCH", pathOf(doing.token), changeOf(before, draft));
            say(`${nameOf(doing.token)} is changed`);
            void onChanged();
            onClose();
          }}
          onClose={onClose}
        />
      );
    }
    case "rotate":
      return <RotateQuestion token={doing.token} onRotated={show} onClose={onClose} />;
    case "revoke":
      return <RevokeQuestion token={doing.token} onRevoked={onChanged} onClose={onClose} />;
    case "show":
      return <NewTokenDialog created={doing.created} title={doing.title} onClose={onClose} />;
  }
}

/** How a person knows a token: by its note, or by its id. */
function nameOf({ id, note }: TokenRow): string {
  return printable(note === undefined || note === "" ? id : note, true);
}

interface RotateQuestionProps {
  readonly token: TokenRow;
  readonly onRotated: (created: NewToken, title: string) => void;
  readonly onClose: () => void;
}

function RotateQuestion({ token, onRotated, onClose }: RotateQuestionProps) {
  // The question closes in the same turn in which it is answered.
  const created = useRef<NewToken | undefined>(undefined);
  return (
    <Question
      title={`A new token for ${nameOf(token)}?`}
      answer="Make a new one"
      onAnswer={async () => {
        created.current = await sendJson<NewToken>("POST", `${pathOf(token)}/rotate`);
      }}
      onClose={() => {
        if (created.current === undefined) onClose();
        else onRotated(created.current, `The new token of ${nameOf(token)}`);
      }}
    >
      <p>The old one is good no more. {lossOf(token)} Names, note, limits and the end stay as they are.</p>
    </Question>
  );
}

interface RevokeQuestionProps {
  readonly token: TokenRow;
  readonly onRevoked: () => Promise<void>;
  readonly onClose: () => void;
}

function RevokeQuestion({ token, onRevoked, onClose }: RevokeQuestionProps) {
  return (
    <Question
      title={`Revoke ${nameOf(token)}?`}
      answer="Revoke"
      onAnswer={async () => {
        await sendJson("DELETE", pathOf(token));
        say(`${nameOf(token)} is revoked`);
        // The list is without it when the dialog gives the focus back.
        await onRevoked();
      }}
      onClose={onClose}
    >
      <p>The token is taken out of the file, and nobody can use it any more. {lossOf(token)}</p>
    </Question>
  );
}

function lossOf({ tunnels }: TokenRow): string {
  if (tunnels === 0) return "It has no tunnel at the moment.";
  return tunnels === 1 ? "Its tunnel is closed." : `Its ${tunnels.toLocaleString("en")} tunnels are closed.`;
}

interface TokenListProps {
  readonly tokens: readonly TokenRow[];
  readonly onDo: (doing: Doing) => void;
}

const rowsOfPage = 200;

function TokenList({ tokens, onDo }: TokenListProps) {
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

function Row({ token, onDo }: { readonly token: TokenRow; readonly onDo: (doing: Doing) => void }) {
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

function NoTokens() {
  return (
    <div class="teach">
      <h2>No token yet</h2>
      <p>A client needs one to get a name. Create one for each person or machine, and give it a note.</p>
    </div>
  );
}

function NoTokenFile() {
  return (
    <div class="teach">
      <h2>Tokens are not in a file here</h2>
      <p>
        This page can list and change tokens of a relay that has them in a file. Start the relay with{" "}
        <code>--token-file tokens.yaml</code>; <code>mcp-tunnel token create</code> makes the file.
      </p>
      <p class="muted">
        Tokens of an auth provider are changed there, and those of options where the relay is started.
      </p>
    </div>
  );
}
