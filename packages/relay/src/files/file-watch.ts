import { FileTask, stampOf } from "./regular-file.js";

/** How often the files are looked at, in milliseconds. */
const pollIntervalMs = 1_000;

/**
 * Tells when one of several files that belong together has changed. It looks at them every second rather than listen
 * for events, which do not come for files behind a changed symbolic link (certbot, Kubernetes) or on network file
 * systems. Two looks have to agree first: whoever writes a certificate and then its key is not caught half-way.
 */
export class FileWatch {
  readonly #stamp: FileTask<string>;
  /**
   * To be called when the files have changed. False: they are of no use, and it is called again as long as they are, with `isRetry`,
   * because what is wrong may pass without a trace on them (too many open files, a share that is away).
   */
  readonly changed: (isRetry: boolean) => Promise<boolean>;
  #timer: NodeJS.Timeout | undefined;
  /** The state of the files at the last look, and the one that `changed` was told of. */
  #seen = "";
  #told: string | undefined = "";
  #closed = false;

  constructor(paths: readonly string[], changed: (isRetry: boolean) => Promise<boolean>) {
    this.#stamp = new FileTask(async () => (await Promise.all(paths.map(stampOf))).join("\n"));
    this.changed = changed;
  }

  /** Begins to look. The files may have changed since they were read, so the first state is told, too. */
  start(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#look(), pollIntervalMs);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const stamp = await this.#stamp.run().catch(() => "stuck");
    if (this.#closed) return;
    if (stamp === this.#seen && stamp !== this.#told) {
      // From before the contents are read, so that a change meanwhile is seen at the next look.
      this.#told = (await this.changed(this.#told === undefined)) ? stamp : undefined;
    }
    this.#seen = stamp;
    this.start();
  }
}
