import type { Inspector } from "mcp-tunnel-inspector";
import { isHangUpTheEnd } from "mcp-tunnel-shared/command";
import { findConfigFile } from "../config/find.js";
import { tunnelNamed } from "../config/tunnels-file.js";
import type { NamedTunnel } from "../config/tunnels-file.js";
import type { InspectOptions } from "../options/inspect-options.js";
import { originOf } from "../options/flags.js";
import { buildStart, parseStart } from "../options/start-options.js";
import { Labels, LabelledOutput } from "../output/labelled-output.js";
import type { CommandOutput } from "../output/output.js";
import { HumanFleetScreen, JsonFleetScreen } from "../render/fleet-screen.js";
import type { Changes, FleetScreen } from "../render/fleet-screen.js";
import { HumanRenderer } from "../render/human.js";
import { JsonRenderer } from "../render/json.js";
import type { Renderer } from "../render/renderer.js";
import type { TunnelInspector } from "../tunnel/command-tunnel.js";
import { atTerminal } from "../tunnel/terminal.js";
import type { CliCommand } from "./command.js";
import { failed } from "./failure.js";
import { runUntilEnded } from "./run.js";

/** `mcp-tunnel-client start`. */
export const start: CliCommand = { build: buildStart, run };

/**
 * Runs `mcp-tunnel-client start`: tunnels of the config file, until a signal ends them or all have failed.
 * Returns the exit status.
 * @throws CommanderError for help and for mistakes that commander has printed; TunnelError `invalid_option`
 * for mistakes in the file, or `unavailable` if it cannot be read.
 */
async function run(args: readonly string[], output: CommandOutput): Promise<number> {
  const { names, config, waitForRelay, json, inspect } = parseStart(args);
  const file = findConfigFile(config);
  const { path } = file;
  // The client is loaded when it is needed: most mistakes show before.
  const { Fleet } = await import("../tunnel/fleet.js");
  const { readChecked } = await import("../tunnel/check-file.js");
  const { Reloads } = await import("./reloads.js");
  const first = await readChecked(file);
  for (const name of names ?? []) tunnelNamed(name, first, path);
  const labels = new Labels();
  const screen = json ? new JsonFleetScreen(output) : new HumanFleetScreen(output);
  const renderers = new Map<string, Renderer>();
  const inspector = await openInspector(inspect, first, screen, renderers);
  const fleet = new Fleet({
    inspect: (name, local) => inspector && tapOf(inspector, name, local),
    ...atTerminal(json),
    screen,
    createRenderer(name, local) {
      const renderer = json
        ? new JsonRenderer(output, name)
        : new HumanRenderer(new LabelledOutput(output, labels, name), local);
      renderers.set(name, renderer);
      return renderer;
    },
    failed,
  });
  const change = (tunnels: ReadonlyMap<string, NamedTunnel>): Promise<Changes> => {
    const chosen = new Map(
      [...tunnels]
        .filter(([name]) => names === undefined || names.includes(name))
        .map(([name, tunnel]) => [name, waitForRelay ? waiting(tunnel) : tunnel]),
    );
    labels.names = chosen.keys();
    return fleet.change(chosen);
  };
  const reloads = new Reloads(file, change, screen);
  const begin = (): void => {
    screen.starting(path, names ?? [...first.keys()]);
    void reloads.begin(first);
  };
  const running = {
    start: begin,
    end: () => fleet.end(),
    ended: fleet.ended,
    get isClosing() {
      return fleet.isClosing;
    },
  };
  // A terminal that goes away ends what was started in it. Service managers have the signal for reloads.
  const isEnd = isHangUpTheEnd(process.stdin.isTTY || process.stdout.isTTY);
  const status = await runUntilEnded(running, output, isEnd ? undefined : () => void reloads.now());
  reloads.close();
  await inspector?.close();
  return status;
}

/** One inspector for all tunnels, if something is to be kept. It is loaded when it is needed. */
async function openInspector(
  inspect: InspectOptions | undefined,
  tunnels: ReadonlyMap<string, NamedTunnel>,
  screen: FleetScreen,
  renderers: ReadonlyMap<string, Renderer>,
): Promise<Inspector | undefined> {
  if (inspect === undefined) return undefined;
  const { openCommandInspector } = await import("../tunnel/inspect.js");
  const origins = [...tunnels.values()].flatMap(({ settings: { local } }) =>
    local === undefined ? [] : [originOf(local)],
  );
  return openCommandInspector(inspect, "the local services", origins, {
    inspector: (url) => screen.inspector(url),
    recording: (file) => screen.recording(file),
    warn: (code, message) => screen.warn(code, message),
    replay: (event) => renderers.get(event.tunnel ?? "")?.replay(event),
  });
}

/** The part of the inspector that follows a tunnel. What passed through it stays when the tunnel is gone. */
function tapOf(inspector: Inspector, name: string, local: string): TunnelInspector {
  const tap = inspector.tunnel(name, local);
  return {
    observe: tap.observe,
    inspected: (service) => tap.inspected(service),
    follow: (client) => tap.follow(client),
    server: (server, event) => tap.server(server, event),
    async close() {
      inspector.forget(tap);
    },
  };
}

/** The tunnel, which goes on trying for its first connection. */
function waiting(tunnel: NamedTunnel): NamedTunnel {
  const { settings } = tunnel;
  return { ...tunnel, settings: { ...settings, client: { ...settings.client, waitForRelay: true } } };
}
