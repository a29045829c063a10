import { useMemo } from "preact/hooks";
import { bytesText, countText } from "mcp-tunnel-page/format.ts";
import { Folded } from "../parts/folded.tsx";
import { JsonView } from "../parts/json.tsx";
import { type JsonNode, memberOf, partsOf, readJson, sizeOf, textOf } from "../parts/json-text.ts";
import { printable } from "mcp-tunnel-page/printable.ts";
import { Plain } from "../parts/text.tsx";

/** A result by what is in it: content of a tool, of resources, of a prompt. All else is JSON. */
export function ResultView({ text }: { readonly text: string }) {
  const reading = useMemo(() => readJson(text), [text]);
  if (!("node" in reading)) return <JsonView text={text} label="Result" />;
  const blocks = blocksOf(reading.node);
  const structured = memberOf(reading.node, "structuredContent");
  if (blocks === undefined && structured === undefined) return <JsonView text={text} label="Result" />;
  return (
    <>
      {blocks !== undefined && sizeOf(blocks) === 0 && <p class="muted">No content.</p>}
      {blocks !== undefined && (
        <ol class="blocks">
          {partsOf(blocks, maxBlocks).map(({ value }, place) => (
            <li key={place} class="block">
              <Block block={value} />
            </li>
          ))}
        </ol>
      )}
      {blocks !== undefined && sizeOf(blocks) > maxBlocks && (
        <p class="muted">{countText(sizeOf(blocks) - maxBlocks, "further block")}: see the JSON.</p>
      )}
      {structured !== undefined && (
        <div class="block">
          <BlockKind kind="structured content" />
          <JsonView text={structured.raw} label="Structured content" />
        </div>
      )}
      <Folded summary="The result as JSON" text={text} />
    </>
  );
}

const maxBlocks = 50;

function blocksOf(result: JsonNode): JsonNode | undefined {
  return ["content", "contents", "messages"]
    .map((name) => memberOf(result, name))
    .find((value) => value?.kind === "array");
}

function BlockKind({ kind, more }: { readonly kind: string; readonly more?: string | undefined }) {
  return (
    <p class="block-kind muted">
      {printable(kind, true)}
      {more !== undefined && ` · ${printable(more, true)}`}
    </p>
  );
}

function Block({ block }: { readonly block: JsonNode }) {
  const role = textOf(block, "role");
  const content = memberOf(block, "content");
  // A message of a prompt has its block within.
  if (role !== undefined && content !== undefined) {
    return (
      <>
        <BlockKind kind={role} />
        <Content block={content} />
      </>
    );
  }
  return <Content block={block} />;
}

function Content({ block }: { readonly block: JsonNode }) {
  const mimeType = textOf(block, "mimeType");
  const data = textOf(block, "data") ?? textOf(block, "blob");
  switch (textOf(block, "type")) {
    case "text":
      return <TextBlock kind="text" text={textOf(block, "text") ?? ""} />;
    case "image":
    case "audio":
      return <DataBlock kind={textOf(block, "type")!} mimeType={mimeType} data={data} />;
    case "resource_link":
      return (
        <>
          <BlockKind kind="link to a resource" more={textOf(block, "name")} />
          <p class="mono">
            <Plain text={textOf(block, "uri") ?? ""} oneLine />
          </p>
        </>
      );
    case "resource":
      return <Content block={memberOf(block, "resource") ?? block} />;
    default:
      break;
  }
  const uri = textOf(block, "uri");
  const text = textOf(block, "text");
  if (uri !== undefined && text !== undefined) return <TextBlock kind={uri} more={mimeType} text={text} />;
  if (uri !== undefined && data !== undefined)
    return <DataBlock kind={uri} mimeType={mimeType} data={data} />;
  return <JsonView text={block.raw} label="Content" />;
}

interface TextBlockProps {
  readonly kind: string;
  readonly more?: string | undefined;
  readonly text: string;
}

function TextBlock({ kind, more, text }: TextBlockProps) {
  const isJson = useMemo(() => /^\s*[[{]/.test(text) && "node" in readJson(text), [text]);
  return (
    <>
      <BlockKind kind={isJson ? `${kind}, JSON` : kind} more={more} />
      {isJson ? (
        <JsonView text={text} label="Text" />
      ) : text === "" ? (
        <p class="muted">Empty.</p>
      ) : (
        <pre class="text">
          <Plain text={text} />
        </pre>
      )}
    </>
  );
}

/** Formats that cannot have scripts in them. */
const imageTypes = ["image/png", "image/jpeg", "image/gif", "image/webp"];

interface DataBlockProps {
  readonly kind: string;
  readonly mimeType: string | undefined;
  readonly data: string | undefined;
}

function DataBlock({ kind, mimeType, data = "" }: DataBlockProps) {
  const size = bytesText(Math.floor((data.length * 3) / 4));
  const type =
    mimeType === undefined ? undefined : imageTypes.find((name) => name === mimeType.toLowerCase());
  const isShown = type !== undefined && data !== "" && /^[A-Za-z0-9+/]*={0,2}$/.test(data);
  return (
    <>
      <BlockKind kind={kind} more={`${mimeType ?? "no media type"}, ${size}`} />
      {isShown && (
        <img class="block-image" src={`data:${type};base64,${data}`} alt={`Content of the result, ${type}`} />
      )}
    </>
  );
}
