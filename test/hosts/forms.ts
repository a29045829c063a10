/** A form of a page that was made without script. */
export interface Form {
  readonly method: "GET" | "POST";
  /** As it stands in the page; empty: the page itself. */
  readonly action: string;
  readonly fields: readonly Field[];
  /** The buttons that send it, if they have a name. */
  readonly buttons: readonly Field[];
}

interface Field {
  readonly name: string;
  readonly value: string;
}

/** The forms of a page of ours: its attributes are quoted, and its forms are whole. */
export function formsOf(html: string): Form[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head = "", content = ""]) => {
    const controls = [...content.matchAll(/<(input|button)\b([^>]*)>/gi)].map(([, kind = "", rest = ""]) => {
      const { type = kind === "button" ? "submit" : "text", name = "", value = "" } = attributesOf(rest);
      return { isButton: type === "submit", name, value };
    });
    const named = controls.filter(({ name }) => name !== "");
    const { method = "get", action = "" } = attributesOf(head);
    return {
      method: method.toLowerCase() === "post" ? "POST" : "GET",
      action,
      fields: named.filter(({ isButton }) => !isButton),
      buttons: named.filter(({ isButton }) => isButton),
    };
  });
}

function attributesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(([, name = "", value = ""]) => [
      name.toLowerCase(),
      decoded(value),
    ]),
  );
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

/** Text as it stands in HTML, without its character references. */
export function decoded(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] as string);
}
