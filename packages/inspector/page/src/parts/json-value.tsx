import { useState } from "preact/hooks";
import { bytesText, countText } from "mcp-tunnel-page/format.ts";
import { type JsonNode, sizeOf } from "./json-text.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "./text.tsx";

interface ValueProps {
  readonly node: JsonNode;
  readonly opens: JsonNode | undefined;
  readonly isOpen: boolean;
}

/** What a row says of its value. An open one says only how much is below. */
export function JsonValue({ node, opens, isOpen }: ValueProps) {
  if (node.kind === "string") {
    if (opens === undefined) return <Quoted value={node.value} />;
    return (
      <>
        <span class="json-inner">JSON in a string</span>{" "}
        {isOpen ? (
          <span class="json-size">{bytesText(node.value.length)}</span>
        ) : (
          <Quoted value={node.value} />
        )}
      </>
    );
  }
  if (node.kind === "object" || node.kind === "array") {
    if (sizeOf(node) === 0) return <span class="json-size">{node.kind === "object" ? "{}" : "[]"}</span>;
    return <span class="json-size">{sizeText(node, isOpen)}</span>;
  }
  return <span class={`json-${node.kind}`}>{node.raw}</span>;
}

function sizeText(node: JsonNode, isOpen: boolean): string {
  if (node.kind === "array") return `[${countText(sizeOf(node), "item")}]`;
  if (node.kind !== "object" || isOpen) return `{${countText(sizeOf(node), "member")}}`;
  const keys = node.members
    .slice(0, 4)
    .map(({ key }) => keyText(key.length > 20 ? `${key.slice(0, 20)}…` : key));
  return `{ ${keys.join(", ")}${node.members.length > keys.length ? ", …" : ""} }`;
}

/** An empty key would not be seen. */
function keyText(key: string): string {
  return key === "" ? '""' : printable(key, true);
}

/** Longer strings are cut until the user wants all. */
const shownLength = 400;

function Quoted({ value }: { readonly value: string }) {
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && value.length > shownLength;
  const quoted = JSON.stringify(isCut ? value.slice(0, shownLength) : value);
  return (
    <span class="json-string">
      <Plain text={isCut ? quoted.slice(0, -1) : quoted} oneLine />
      {isCut && (
        <>
          {"… "}
          <button type="button" class="link" onClick={() => setWhole(true)}>
            show all ({bytesText(value.length)})
          </button>
        </>
      )}
    </span>
  );
}
