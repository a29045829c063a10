import { say } from "mcp-tunnel-page/notice.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Question } from "mcp-tunnel-page/question.tsx";
import type { DisconnectAnswer } from "../../../src/model.ts";
import { sendJson } from "../api.ts";

export interface DisconnectQuestionProps {
  readonly name: string;
  /** How many clients have the name. */
  readonly members: number;
  readonly onDone: () => Promise<void>;
  readonly onClose: () => void;
}

export function DisconnectQuestion({ name, members, onDone, onClose }: DisconnectQuestionProps) {
  const shown = printable(name, true);
  const disconnect = async (): Promise<void> => {
    const { silent = [] } = await sendJson<DisconnectAnswer>("DELETE", `tunnels/${encodeURIComponent(name)}`);
    if (silent.length === 0) say(`${shown} is disconnected`);
    else
      say(
        `${shown} is disconnected, but these relays did not answer: ${printable(silent.join(", "), true)}`,
        true,
      );
    await onDone();
  };
  return (
    <Question title={`Disconnect ${shown}?`} answer="Disconnect" onAnswer={disconnect} onClose={onClose}>
      <p>
        {members > 1 ? `All ${members} clients of the pool lose the name. ` : ""}
        Open requests are cut, and the client ends. It may be started again: to keep it away, revoke its
        token.
      </p>
    </Question>
  );
}
