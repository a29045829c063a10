import { useState } from "preact/hooks";
import { bytesText } from "../format.ts";

/** Bytes that are shown at first, and more of them each time. */
const shownBytes = 16 * 1_024;
const rowBytes = 16;

/** Bytes as a hex dump: offset, 16 bytes, and the printable characters of ASCII. */
export function HexView({ bytes }: { readonly bytes: Uint8Array }) {
  const [shown, setShown] = useState(shownBytes);
  const rows: string[] = [];
  for (let at = 0; at < Math.min(shown, bytes.length); at += rowBytes) rows.push(hexRow(bytes, at));
  return (
    <div class="hex">
      <pre>{rows.join("\n")}</pre>
      {bytes.length > shown && (
        <button type="button" class="link" onClick={() => setShown(shown + shownBytes)}>
          show more ({bytesText(bytes.length - shown)} left)
        </button>
      )}
    </div>
  );
}

function hexRow(bytes: Uint8Array, at: number): string {
  const row = [...bytes.subarray(at, at + rowBytes)];
  const hex = row.map((byte) => byte.toString(16).padStart(2, "0"));
  const left = hex.slice(0, 8).join(" ").padEnd(23);
  const right = hex.slice(8).join(" ").padEnd(23);
  const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
  return `${at.toString(16).padStart(6, "0")}  ${left}  ${right}  ${text}`;
}

export function bytesOfBase64(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
