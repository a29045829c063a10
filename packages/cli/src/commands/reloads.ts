import { isDeepStrictEqual } from "node:util";
import { FileWatch } from "mcp-tunnel-config/files";
import { TunnelError } from "mcp-tunnel-protocol";
import type { ConfigFile } from "../config/find.js";
import type { NamedTunnel } from "../config/tunnels-file.js";
import { readChecked } from "../tunnel/check-file.js";
import type { Changes, FleetScreen } from "../render/fleet-screen.js";

type Tunnels = ReadonlyMap<string, NamedTunnel>;

/** Reads the config file again when it changes, and when it is told to. */
export class Reloads {
  readonly #file: ConfigFile;
  readonly #change: (tunnels: Tunnels) => Promise<Changes>;
  readonly #screen: FleetScreen;
  readonly #watch: FileWatch;
  /** Readings come one after the other: an earlier one may take longer, and must not be the last to count. */
  #reading: Promise<unknown> = Promise.resolve();
  /** What stands in the file, as far as it was of use. */
  #current: Tunnels | undefined;
  /** The mistakes that were told. They are not told each time that the file is tried again. */
  #told: string | undefined;

  constructor(file: ConfigFile, change: (tunnels: Tunnels) => Promise<Changes>, screen: FleetScreen) {
    this.#file = file;
    this.#change = change;
    this.#screen = screen;
    this.#watch = new FileWatch([file.path], () => this.#reload(false));
  }

  /** Starts the tunnels of the file, and watches it from then on. */
  async begin(tunnels: Tunnels): Promise<void> {
    this.#current = tunnels;
    await this.#change(tunnels);
    this.#watch.start();
  }

  close(): void {
    this.#watch.close();
  }

  /** Reads the file now, also if it has not changed: a file that it names may have. */
  async now(): Promise<void> {
    this.#told = undefined;
    await this.#reload(true);
  }

  /**
   * Whether the file was of use. `isAsked`: somebody waits for an answer, also if nothing has changed, and
   * tunnels that have failed are tried again.
   */
  #reload(isAsked: boolean): Promise<boolean> {
    const read = this.#reading.then(() => this.#read(isAsked));
    this.#reading = read.catch(() => {});
    return read;
  }

  async #read(isAsked: boolean): Promise<boolean> {
    let tunnels: Tunnels;
    try {
      tunnels = await readChecked(this.#file);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      if (error.message !== this.#told) this.#screen.notReloaded(error.message);
      this.#told = error.message;
      return false;
    }
    this.#told = undefined;
    // An editor has written what was there, or a comment.
    if (!isAsked && isDeepStrictEqual(tunnels, this.#current)) return true;
    this.#current = tunnels;
    this.#screen.reloaded(this.#file.path, await this.#change(tunnels));
    return true;
  }
}
