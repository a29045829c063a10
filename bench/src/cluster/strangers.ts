import { Agent, request } from "undici";
import type { Endpoint } from "../endpoint.js";

/** So many names, so that none is asked for twice. */
let asked = 0;

/**
 * Asks for names that nobody has, each once, for some seconds. @returns how many. @throws Error if a relay
 * answers other than 502.
 */
export async function askForNobody(
  { port }: Endpoint,
  connections: number,
  seconds: number,
): Promise<number> {
  const dispatcher = new Agent({ connections });
  const deadline = performance.now() + seconds * 1_000;
  let answered = 0;
  const asker = async (): Promise<void> => {
    while (performance.now() < deadline) {
      const host = `nobody-${asked++}.localhost`;
      const answer = await request(`http://127.0.0.1:${port}/`, { dispatcher, headers: { host } });
      if (answer.statusCode !== 502) throw new Error(`${host} was answered with ${answer.statusCode}`);
      await answer.body.dump();
      answered += 1;
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, asker));
  } finally {
    await dispatcher.destroy();
  }
  return answered;
}
