import { existsSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "mcp-tunnel-shared";
import type { GrantStorage } from "../grants.js";
import { AskedFolder, FolderWatch } from "./asked.js";
import { ensureFolder, removeLeftovers } from "./files.js";
import { stateFolder } from "./folder.js";
import { GrantFile } from "./grant-file.js";
import { Holder, isHeld } from "./holder.js";
import { drawMissing, readSecrets, readSecretsLater, secretFiles, secretsOf } from "./secret-files.js";
import type { Drawn, NamedTunnel, SecretKind, Secrets, Slot, SlotOptions } from "./slot.js";
import { secretKinds } from "./slot.js";
import type { SlotFile } from "./slot-file.js";
import { newSlotFile, readSlotFile, slotFolderName, writeSlotFile } from "./slot-file.js";

/**
 * Whether something was kept for a tunnel before: {@link openSlot} would make nothing new.
 * @throws TunnelError `invalid_option` if the relay's URL is none.
 */
export function hasSlot(options: Omit<SlotOptions, "onNotice">): boolean {
  return existsSync(join(options.folder ?? stateFolder(), slotFolderName(options)));
}

/**
 * Opens the slot of a tunnel, and holds it from then on. Everything that can fail about files fails here or
 * in `draw`, before the tunnel is registered.
 *
 * Two clients may have one slot at a time. If they asked for a name, the relay closes the first with 4002,
 * and the second holds the slot (holder.ts). If neither did, both may run under names that the relay drew.
 * They then share key and passcode, as runs of such a tunnel one after the other do, but only the second
 * keeps its grants.
 * @throws TunnelError `unavailable`; `invalid_option` if the relay's URL is none.
 */
export async function openSlot(options: SlotOptions): Promise<Slot> {
  const folder = options.folder ?? stateFolder();
  const path = join(folder, slotFolderName(options));
  ensureFolder(folder, { readable: true });
  ensureFolder(path, { readable: false });
  const asked = new AskedFolder(path);
  ensureFolder(asked.path, { readable: false });
  removeLeftovers(path);
  removeLeftovers(asked.path);
  let file = readSlotFile(path);
  if (file === undefined) {
    file = newSlotFile(options);
    await writeSlotFile(path, file);
  }
  if (options.subdomain === undefined && isHeld(path)) {
    const single = "If the token has a single name, the relay ends that client. Otherwise a";
    options.onNotice(
      "another client without a name of its own runs at this relay, with the same keys: from now on only the " +
        "grants of this one are kept and listed. " +
        `${options.token === undefined ? "A" : single} name for each keeps them apart`,
    );
  }
  const holder = new Holder(path);
  await holder.take();
  return new HeldSlot(path, file, { holder, asked, onNotice: options.onNotice });
}

interface Parts {
  readonly holder: Holder;
  readonly asked: AskedFolder;
  readonly onNotice: (text: string) => void;
}

class HeldSlot implements Slot {
  readonly path: string;
  readonly files: Readonly<Record<SecretKind, string>>;
  readonly #parts: Parts;
  readonly #grants: GrantFile;
  readonly #watch: FolderWatch;
  #file: SlotFile;
  /** What was drawn, and the gate uses. */
  #uses: Readonly<Record<SecretKind, boolean>> = { key: false, passcode: false };
  /** What the program was given last, of what it uses. */
  #known: Secrets | undefined;
  #onRenewed: ((secrets: Secrets) => void) | undefined;
  /** Kinds whose files are gone. The person was told. */
  readonly #gone = new Set<SecretKind>();
  #looking: Promise<void> | undefined;
  /** Something has changed during a look. */
  #isLookDue = false;
  /** The person was told why nothing can be read. */
  #isFailing = false;
  #isClosed = false;

  constructor(path: string, file: SlotFile, parts: Parts) {
    this.path = path;
    this.files = secretFiles(path);
    this.#file = file;
    this.#parts = parts;
    this.#grants = new GrantFile({ slot: path, ...parts });
    this.#watch = new FolderWatch(parts.asked.path, () => this.#look());
  }

  get storage(): GrantStorage {
    return this.#grants;
  }

  async draw(wanted: Readonly<Record<SecretKind, boolean>>, drawPasscode: () => string): Promise<Drawn> {
    const drawn = await drawMissing(this.path, wanted, drawPasscode);
    this.#uses = wanted;
    this.#known = this.#used(drawn.secrets);
    return drawn;
  }

  async named({ name, url, kinds, places, loginIssuer }: NamedTunnel): Promise<void> {
    if (!(await this.#parts.holder.keep())) return;
    const about = { name, url, kinds: [...kinds], places: [...places], loginIssuer };
    this.#file = { ...this.#file, last: { ...about, uses: this.#uses, atMs: Date.now() } };
    await writeSlotFile(this.path, this.#file);
  }

  onRenewed(listener: (secrets: Secrets) => void): void {
    this.#onRenewed = listener;
    // Secrets may have been rotated since they were read.
    const { renewals } = this.#parts.asked.read();
    this.#renew(renewals, readSecrets(this));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch.close();
    await this.#looking;
    await this.#grants.close();
    this.#parts.holder.release();
  }

  /** One look at a time. What changes meanwhile is seen by one more. */
  #look(): void {
    this.#isLookDue = true;
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookAll(): Promise<void> {
    while (this.#isLookDue && !this.#isClosed) {
      this.#isLookDue = false;
      await this.#lookOnce();
    }
  }

  async #lookOnce(): Promise<void> {
    try {
      // What is asked is read before the secrets, so that no rotation is acknowledged that was not seen.
      const { revoked, renewals } = await this.#parts.asked.readLater();
      if (this.#isClosed) return;
      this.#grants.take(revoked);
      this.#grants.retry();
      const secrets = await readSecretsLater(this);
      if (this.#isClosed) return;
      this.#renew(renewals, secrets);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing && !this.#isClosed)
        this.#parts.onNotice(`neither revocations nor new keys arrive: ${messageOf(error)}`);
      this.#isFailing = true;
    }
  }

  /**
   * Secrets are read at every look, whether or not somebody has left word of a rotation. Of two clients with
   * this slot the other may have removed that already, and the old key would open this tunnel for ever.
   */
  #renew(renewals: readonly string[], found: Secrets): void {
    if (this.#onRenewed === undefined) return;
    const { asked, holder } = this.#parts;
    const secrets = this.#used(found);
    // If the listener cannot use them, the next look tries again, and no rotation is acknowledged.
    const isNew = this.#known !== undefined && JSON.stringify(this.#known) !== JSON.stringify(secrets);
    if (isNew) this.#onRenewed(secrets);
    this.#known = secrets;
    if (renewals.length === 0 || holder.isLost) return;
    for (const name of renewals) asked.remove(name);
  }

  /** Of all that was found, what the gate uses. A secret whose file is gone holds as before. */
  #used(found: Secrets): Secrets {
    const values = { key: found.keys[0]?.key, passcode: found.passcode };
    const known = { key: this.#known?.keys[0]?.key, passcode: this.#known?.passcode };
    for (const kind of secretKinds) {
      if (!this.#uses[kind]) values[kind] = undefined;
      else if (values[kind] !== undefined) this.#gone.delete(kind);
      else if (known[kind] !== undefined) {
        values[kind] = known[kind];
        this.#tellGone(kind);
      }
    }
    return secretsOf(values.key, values.passcode);
  }

  #tellGone(kind: SecretKind): void {
    if (this.#gone.has(kind)) return;
    this.#gone.add(kind);
    this.#parts.onNotice(
      `${this.files[kind]} is gone: the ${kind} that it held lets visitors in until this process ends, or ` +
        "another one is drawn",
    );
  }
}
