import { type ComponentChildren, createContext } from "preact";
import { useContext, useState } from "preact/hooks";
import { printable } from "mcp-tunnel-page/printable.ts";
import { getJson, messageOf } from "../api.ts";
import { bytesText } from "mcp-tunnel-page/format.ts";
import { say } from "mcp-tunnel-page/notice.ts";

/** The exchange that the texts below belong to, so that a hidden value can be asked for. */
export const ExchangeOfTexts = createContext<number | undefined>(undefined);

/** Longer texts are cut until the user wants all: browsers take long to lay a long line out. */
const defaultLimit = 16 * 1_024;
/** The text of a stranger may have any number of marks. Those after these stand as text. */
const maxMarks = 200;

export interface PlainProps {
  readonly text: string;
  /** Ends of lines and tabs are escapes too. */
  readonly oneLine?: boolean;
  /** How much is shown until the user wants all, in characters. Default: 16,384. */
  readonly limit?: number;
}

/**
 * A text of strangers. Control characters and those that change the direction of a text, or are not seen, are
 * shown as escapes. Each hidden secret gets a button.
 */
export function Plain({ text, oneLine = false, limit = defaultLimit }: PlainProps) {
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && text.length > limit;
  return (
    <>
      {withMarks(printable(isCut ? text.slice(0, limit) : text, oneLine))}
      {isCut && (
        <>
          {"… "}
          <button type="button" class="link" onClick={() => setWhole(true)}>
            show all ({bytesText(text.length)})
          </button>
        </>
      )}
    </>
  );
}

function withMarks(text: string): ComponentChildren {
  // Even places are text, odd ones are marks.
  const parts = text.split(/\[hidden:([0-9a-f]{8})\]/, maxMarks * 2 + 1);
  if (parts.length === 1) return text;
  const shown = parts.reduce((sum, part, i) => sum + (i % 2 === 0 ? part.length : part.length + 9), 0);
  return (
    <>
      {parts.map((part, i) => (i % 2 === 0 ? part : <Hidden key={`${i} ${part}`} mark={part} />))}
      {text.slice(shown)}
    </>
  );
}

function Hidden({ mark }: { readonly mark: string }) {
  const exchange = useContext(ExchangeOfTexts);
  const [value, setValue] = useState<string | undefined>(undefined);
  if (value !== undefined) return <span class="revealed">{printable(value, true)}</span>;
  if (exchange === undefined) return <span class="hidden-mark">hidden {mark}</span>;
  const ask = async (): Promise<void> => {
    try {
      setValue((await getJson<{ value: string }>(`exchanges/${exchange}/hidden/${mark}`)).value);
    } catch (error) {
      say(messageOf(error), true);
    }
  };
  return (
    <button type="button" class="hidden-mark" title={`Secret ${mark}`} onClick={() => void ask()}>
      hidden <span class="hidden-show">show</span>
      <span class="offscreen"> the secret {mark}</span>
    </button>
  );
}
