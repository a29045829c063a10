import { FileTask, stampOf } from "./regular-file.js";

/** How often the files are looked at, in milliseconds. */
const pollIntervalMs = 1_000;

/**
 * Reports when one of several files that belong together has changed. It looks at the files every second
 * instead of listening for events, because these do not come for files behind a changed symbolic link
 * (certbot, Kubernetes) or on network file systems. Two looks have to agree first, so that a program that
 * writes a certificate and then its key is not caught half-way.
 */
export class FileWatch {
  readonly #stamp: FileTask<string>;
  /**
   * Called when the files have changed. It returns false if the files are of no use. It is then called again,
   * with `isRetry`, until they are of use, because the problem may pass without a trace on the files (too
   * many open files, a share that is away).
   */
  readonly changed: (isRetry: boolean) => Promise<boolean>;
  #timer: NodeJS.Timeout | undefined;
  /** The state of the files at the last look. */
  #seen = "";
  /** The state for which `changed` was called last; `undefined` if it has to be called again. */
  #told: string | undefined = "";
  #closed = false;

  constructor(paths: readonly string[], changed: (isRetry: boolean) => Promise<boolean>) {
    this.#stamp = new FileTask(async () => (await Promise.all(paths.map(stampOf))).join("\n"));
    this.changed = changed;
  }

  /**
   * Starts the looks. `changed` is called for the first state too: the files may have changed since they were
   * read.
   */
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
      // The stamp is from before the contents are read, so that the next look sees a change in between.
      this.#told = (await this.changed(this.#told === undefined)) ? stamp : undefined;
    }
    this.#seen = stamp;
    this.start();
  }
}
