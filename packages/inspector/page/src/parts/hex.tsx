import { useState } from "preact/hooks";
import { bytesText } from "mcp-tunnel-page/format.ts";
import { isWide } from "../media.ts";

/** Bytes that are shown at first, and more of them each time. */
const shownBytes = 16 * 1_024;

/** Bytes as a hex dump: offset, bytes, and the printable characters of ASCII. */
export function HexView({ bytes }: { readonly bytes: Uint8Array }) {
  const [shown, setShown] = useState(shownBytes);
  const rowBytes = isWide.value ? 16 : 8;
  const rows: string[] = [];
  for (let at = 0; at < Math.min(shown, bytes.length); at += rowBytes) {
    rows.push(hexRow(bytes.subarray(at, Math.min(at + rowBytes, bytes.length)), at, rowBytes));
  }
  return (
    <div class="hex">
      <pre tabIndex={0} role="group" aria-label="Bytes">
        {rows.join("\n")}
      </pre>
      {bytes.length > shown && (
        <button type="button" class="link" onClick={() => setShown(shown + shownBytes)}>
          show more ({bytesText(bytes.length - shown)} left)
        </button>
      )}
    </div>
  );
}

function hexRow(bytes: Uint8Array, at: number, rowBytes: number): string {
  const row = [...bytes];
  const hex = row.map((byte, i) => (i === 8 ? " " : "") + byte.toString(16).padStart(2, "0")).join(" ");
  const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
  return `${at.toString(16).padStart(6, "0")}  ${hex.padEnd(rowBytes * 3)}  ${text}`;
}

export function bytesOfBase64(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
