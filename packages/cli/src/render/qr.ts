import encodeQR from "qr";

/** Light modules around the code. The standard has 4; cameras do with 2, and a terminal has few lines. */
const borderModules = 2;

/** Black on white, whatever the colours of the terminal are. */
const [blackOnWhite, usual] = ["\u001b[30;107m", "\u001b[0m"];

/** What the largest QR code holds at the lowest level of correction, in bytes. */
const maxBytes = 2_953;

/**
 * A QR code in lines of half blocks, two rows of modules in each. Without colours, the light modules are
 * drawn, for a terminal that is dark. Undefined if no QR code can hold the text.
 */
export function qrLines(text: string, colors: boolean): string[] | undefined {
  if (Buffer.byteLength(text) > maxBytes) return undefined;
  const rows = encodeQR(text, "raw", { ecc: "low", border: borderModules });
  const lines: string[] = [];
  for (let y = 0; y < rows.length; y += 2) {
    const [upper = [], lower] = [rows[y], rows[y + 1]];
    // Below the last row of an odd number is what is outside.
    const line = upper.map((top, x) => block(top === colors, (lower?.[x] ?? false) === colors)).join("");
    lines.push(colors ? `${blackOnWhite}${line}${usual}` : line);
  }
  return lines;
}

function block(upper: boolean, lower: boolean): string {
  if (upper) return lower ? "█" : "▀";
  return lower ? "▄" : " ";
}
