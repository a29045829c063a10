import { createInspector } from "mcp-tunnel-inspector";
import type { Inspector, InspectorPage } from "mcp-tunnel-inspector";
import { ownPrefix } from "mcp-tunnel-gate/options";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { portOf } from "mcp-tunnel-shared";
import type { InspectOptions, PagePlace } from "../options/inspect-options.js";
import type { Renderer } from "../render/renderer.js";

/** NFS has it (lockd), and so no browser opens a page there (the bad ports of the Fetch standard). */
const badPort = 4_045;

/** The port of such pages since ngrok, and the next ones. */
const usualPorts = Array.from({ length: 20 }, (_, i) => 4_040 + i).filter((port) => port !== badPort);

/** How many ports are tried if any will do. Only the local service's own is none. */
const maxTries = 3;

/**
 * The inspector of the command, with its page and its file. `serviceName`: the service, as a person would
 * name it. `origins`: where it is.
 * @throws TunnelError `invalid_option` for a place where there can be no page, or `unavailable` for a file
 *   that cannot be written.
 */
export async function openCommandInspector(
  { page, file }: InspectOptions,
  serviceName: string,
  origins: readonly string[],
  renderer: Pick<Renderer, "inspector" | "recording" | "replay" | "warn">,
): Promise<Inspector> {
  const inspector = createInspector({
    serviceName,
    privatePaths: [ownPrefix],
    onReplay: (event) => renderer.replay(event),
  });
  try {
    if (file !== undefined) {
      await inspector.record(file, { onEnded: (why) => renderer.warn("recording_ended", why) });
      renderer.recording(file);
    }
    if (page !== undefined) await openPage(inspector, page, origins, renderer);
  } catch (error) {
    await inspector.close();
    throw error;
  }
  return inspector;
}

async function openPage(
  inspector: Inspector,
  place: PagePlace,
  origins: readonly string[],
  renderer: Pick<Renderer, "inspector" | "warn">,
): Promise<void> {
  try {
    const { url } = await listenBeside(
      inspector,
      place,
      new Set(origins.map((origin) => portOf(new URL(origin)))),
    );
    renderer.inspector(url);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    if (place.isWanted) throw unusable(`--inspect: ${error.message}`, { options: ["inspect"], cause: error });
    renderer.warn("no_inspector", `there is no inspector: ${error.message}`);
  }
}

/**
 * Listens at `place`, or at the first of the usual ports that is free. The page never has the port of a local
 * service: while that is down, visitors would get the page in its place.
 * @throws TunnelError `invalid_option` for a port of `localPorts`, or `unavailable` for one that is taken.
 */
export async function listenBeside(
  inspector: Pick<Inspector, "listen">,
  { host, port }: PagePlace,
  localPorts: ReadonlySet<number>,
): Promise<InspectorPage> {
  if (port !== undefined && port !== 0) {
    if (!localPorts.has(port)) return inspector.listen({ host, port });
    throw unusable(`port ${port} is the local service's own: give the page another one`);
  }
  const ports = port === 0 ? [] : usualPorts.filter((one) => !localPorts.has(one));
  for (const candidate of ports) {
    try {
      return await inspector.listen({ host, port: candidate });
    } catch (error) {
      if (!(error instanceof TunnelError) || error.code !== "unavailable") throw error;
    }
  }
  for (let i = 0; i < maxTries; i++) {
    const page = await inspector.listen({ host, port: 0 });
    if (!localPorts.has(page.port)) return page;
    await page.close();
  }
  throw unusable(`there is no free port at ${host}`);
}
