import { countText } from "mcp-tunnel-page/format.ts";
import { useKeys } from "mcp-tunnel-page/keys.ts";
import { say } from "mcp-tunnel-page/notice.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { useState } from "preact/hooks";
import type { NewToken, TokenRow } from "../../../src/model.ts";
import { sendJson } from "../api.ts";
import { usePoll } from "../poll.ts";
import { changeOf, draftOf, fieldsOf } from "./fields.ts";
import { NewTokenDialog } from "./new-token.tsx";
import { nameOf, pathOf, RevokeQuestion, RotateQuestion } from "./questions.tsx";
import { TokenForm } from "./token-form.tsx";
import { type TokenDoing, TokenTable } from "./token-table.tsx";
import "./tokens.css";

/** What is done with tokens at the moment. */
type Doing =
  | { readonly kind: "nothing" | "create" }
  | TokenDoing
  | { readonly kind: "show"; readonly created: NewToken; readonly title: string };

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
          {data !== undefined && data.tokens.length > 0 && (
            <TokenTable tokens={data.tokens} onDo={setDoing} />
          )}
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
