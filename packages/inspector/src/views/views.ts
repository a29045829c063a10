import type { Captured } from "../captured.js";
import type { CallDetail, ExchangeDetail, ExchangeSummary } from "../model.js";
import { createHider, type Hider } from "../secrets/hide.js";
import type { McpOf } from "./context.js";
import { curlOf } from "./curl.js";
import { detailOf } from "./detail.js";
import { harEntryOf, harOf } from "./har.js";
import { summaryOf } from "./summary.js";

export interface ViewsOptions {
  readonly mcp: McpOf;
  /** The key of the marks that stand for secrets. */
  readonly key: Buffer;
  readonly privatePaths: readonly string[];
  /** The URL of an entry's tunnel, once it has one. */
  readonly publicUrl: (entry: Captured) => string | undefined;
  /** Why an entry cannot be sent again. */
  readonly whyNot: (entry: Captured) => string | undefined;
  /** What may happen again if an entry is sent as it is. */
  readonly warning: (entry: Captured) => string | undefined;
}

/**
 * Entries as the API and exports show them. Each view hides secrets anew, because what is captured grows
 * while it is looked at.
 */
export class Views {
  readonly #options: ViewsOptions;

  constructor(options: ViewsOptions) {
    this.#options = options;
  }

  summary(entry: Captured): ExchangeSummary {
    return summaryOf(entry, this.#marking());
  }

  detail(entry: Captured): ExchangeDetail {
    const { whyNot, warning } = this.#options;
    return detailOf(entry, {
      ...this.#marking(),
      noReplay: whyNot(entry),
      replayWarning: warning(entry),
    });
  }

  call(key: string): CallDetail | undefined {
    return this.#options.mcp.call(key, this.hider());
  }

  /** The secret that has this mark in the details of an entry or of its calls. */
  hidden(entry: Captured, mark: string): string | undefined {
    const { mcp } = this.#options;
    const hider = this.hider();
    detailOf(entry, { hider, mcp });
    for (const key of mcp.callsOf(entry)) mcp.call(key, hider);
    return hider.find(mark);
  }

  /** Hides secrets behind marks, by which they can be asked for. */
  hider(): Hider {
    const { key, privatePaths } = this.#options;
    return createHider({ key, privatePaths });
  }

  /** A text that belongs to no entry, by which its secrets could be asked for. */
  exportedText(text: string): string {
    return this.#exporting().hider.text(text);
  }

  exportedSummary(entry: Captured): ExchangeSummary {
    return summaryOf(entry, this.#exporting());
  }

  curl(entry: Captured): string {
    return curlOf(entry, this.#exporting(entry));
  }

  /** A HAR without entries: JSON text that ends with `"entries":[`, and what follows the entries. */
  har(): readonly [before: string, after: string] {
    const text = JSON.stringify(harOf([], this.#exporting()));
    const at = text.lastIndexOf("[") + 1;
    return [text.slice(0, at), text.slice(at)];
  }

  harEntry(entry: Captured): object {
    return harEntryOf(entry, this.#exporting(entry));
  }

  #marking(): { hider: Hider; mcp: McpOf } {
    return { hider: this.hider(), mcp: this.#options.mcp };
  }

  /** What leaves this machine has no marks. */
  #exporting(entry?: Captured): { hider: Hider; mcp: McpOf; publicUrl: string | undefined } {
    const { mcp, privatePaths, publicUrl } = this.#options;
    const hider = createHider({ key: undefined, privatePaths });
    return { hider, mcp, publicUrl: entry === undefined ? undefined : publicUrl(entry) };
  }
}
