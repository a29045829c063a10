import { say } from "./notice.ts";

/** Copies a text and says so: "Copied the URL". */
export async function copyText(text: string, what: string): Promise<void> {
  say((await isCopied(text)) ? `Copied ${what}` : "The browser does not let this page copy.", false);
}

/** A browser has the Clipboard API only in secure contexts, and may deny it. */
async function isCopied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return isCopiedFromField(text);
  }
}

function isCopiedFromField(text: string): boolean {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "offscreen";
  const focused = document.activeElement;
  // A modal dialog lets nothing outside of it be selected.
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}
