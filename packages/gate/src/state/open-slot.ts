import { join } from "node:path";
import { messageOf } from "mcp-tunnel-shared";
import type { GrantStorage } from "../grants.js";
import { AskedFolder, FolderWatch } from "./asked.js";
import { ensureFolder, removeLeftovers } from "./files.js";
import { stateFolder } from "./folder.js";
import { GrantFile } from "./grant-file.js";
import { Holder, isHeld } from "./holder.js";
import { drawMissing, readSecrets, secretFiles } from "./secret-files.js";
import type { Drawn, NamedTunnel, SecretKind, Secrets, Slot, SlotOptions } from "./slot.js";
import type { SlotFile } from "./slot-file.js";
import { newSlotFile, readSlotFile, slotFolderName, writeSlotFile } from "./slot-file.js";

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
    options.onNotice(
      "another tunnel without a name runs at this relay, with the same keys: from now on only the grants " +
        "of this one are kept and listed. Names of their own keep them apart",
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
  /** What the program was given last, as text. */
  #known: string | undefined;
  #onRenewed: ((secrets: Secrets) => void) | undefined;
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
    this.#known = JSON.stringify(drawn.secrets);
    return drawn;
  }

  async named({ name, url, kinds }: NamedTunnel): Promise<void> {
    if (!(await this.#parts.holder.keep())) return;
    this.#file = { ...this.#file, last: { name, url, kinds: [...kinds], atMs: Date.now() } };
    await writeSlotFile(this.path, this.#file);
  }

  onRenewed(listener: (secrets: Secrets) => void): void {
    this.#onRenewed = listener;
    // Secrets may have been rotated since they were read.
    this.#renew();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch.close();
    await this.#grants.close();
    this.#parts.holder.release();
  }

  #look(): void {
    try {
      this.#grants.look();
      this.#grants.retry();
      this.#renew();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing)
        this.#parts.onNotice(`neither revocations nor new keys arrive: ${messageOf(error)}`);
      this.#isFailing = true;
    }
  }

  /**
   * Secrets are read at every look, whether or not somebody has left word of a rotation. Of two clients with
   * this slot the other may have removed that already, and the old key would open this tunnel for ever.
   */
  #renew(): void {
    if (this.#onRenewed === undefined) return;
    const { asked, holder } = this.#parts;
    // These are read before the secrets, so that no rotation is acknowledged that was not seen.
    const { renewals } = asked.read();
    const secrets = readSecrets(this);
    // If the listener cannot use them, the next look tries again, and no rotation is acknowledged.
    const text = JSON.stringify(secrets);
    if (this.#known !== undefined && this.#known !== text) this.#onRenewed(secrets);
    this.#known = text;
    if (renewals.length === 0 || holder.isLost) return;
    for (const name of renewals) asked.remove(name);
  }
}
