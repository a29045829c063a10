import { say } from "mcp-tunnel-page/notice.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Question } from "mcp-tunnel-page/question.tsx";
import { useRef } from "preact/hooks";
import type { NewToken, TokenRow } from "../../../src/model.ts";
import { sendJson } from "../api.ts";

/** How a person knows a token: by its note, or by its id. */
export function nameOf({ id, note }: TokenRow): string {
  return printable(note === undefined || note === "" ? id : note, true);
}

/** Where the API has a token. */
export const pathOf = ({ id }: TokenRow): string => `tokens/${encodeURIComponent(id)}`;

interface RotateQuestionProps {
  readonly token: TokenRow;
  readonly onRotated: (created: NewToken, title: string) => void;
  readonly onClose: () => void;
}

export function RotateQuestion({ token, onRotated, onClose }: RotateQuestionProps) {
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

export function RevokeQuestion({ token, onRevoked, onClose }: RevokeQuestionProps) {
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
