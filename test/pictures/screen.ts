const escape = "\u001b";
const foregrounds = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** A page that looks as a terminal does on which `output` was written. It knows what the client writes. */
export function screenPage(output: string): string {
  const [first = "", ...rest] = output.replaceAll("\r\n", "\n").split(`${escape}[`);
  const style = new Set<string>();
  let html = escaped(first);
  for (const part of rest) {
    const [, codes, text] = /^([\d;]*)m([^]*)$/.exec(part) ?? [];
    if (codes === undefined || text === undefined) {
      throw new Error(`not known to the picture of a terminal: ESC [ ${JSON.stringify(part.slice(0, 20))}`);
    }
    for (const code of codes.split(";").map(Number)) apply(code, style);
    html +=
      style.size === 0 ? escaped(text) : `<span class="${[...style].join(" ")}">${escaped(text)}</span>`;
  }
  return `<!doctype html><meta charset="utf-8"><style>${css}</style><pre>${html.trim()}</pre>`;
}

/** Select Graphic Rendition (ECMA-48, 8.3.117). */
function apply(code: number, style: Set<string>): void {
  const color = foregrounds[code - 30];
  const off = (...names: readonly string[]): void => names.forEach((name) => style.delete(name));
  if (code === 0) style.clear();
  else if (code === 1) style.add("bold");
  else if (code === 2) style.add("dim");
  else if (code === 22) off("bold", "dim");
  else if (code === 39) off(...foregrounds);
  else if (color !== undefined) {
    off(...foregrounds);
    style.add(color);
  } else throw new Error(`not known to the picture of a terminal: SGR ${code}`);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

const css = `
body { margin: 0; background: #0f1318; color: #d5dae0; }
pre {
  margin: 0;
  padding: 16px 20px;
  width: 80ch;
  box-sizing: content-box;
  white-space: break-spaces;
  word-break: break-all;
  font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
.bold { font-weight: 700; }
.dim { opacity: 0.62; }
.red { color: #ff948a; }
.green { color: #63d08d; }
.yellow { color: #e5b94a; }
.blue { color: #74b6ff; }
.magenta { color: #c5a8ff; }
.cyan { color: #6fd3e0; }
`;
