import type { Writable } from "node:stream";
import { isatty } from "node:tty";

/** What {@link unicodeStream} looks at, for tests. */
interface System {
  readonly platform: NodeJS.Platform;
  readonly isTerminal: (fd: number) => boolean;
}

/**
 * The stream by which a text has to be written that is not plain ASCII. Undefined: its bytes can be written
 * to the file itself.
 *
 * A console of Windows reads bytes in the code page of its country. Node's own stream writes Unicode there
 * (nodejs/node issue 24550), but it stops the whole process while a person selects text in the window. So it
 * is used only for what needs it. ASCII is the same in every code page.
 */
export function unicodeStream(
  fd: number,
  { platform, isTerminal }: System = { platform: process.platform, isTerminal: isatty },
): Writable | undefined {
  if (platform !== "win32" || !isTerminal(fd)) return undefined;
  return fd === 2 ? process.stderr : process.stdout;
}
