import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, type FileHandle, lstat, open, readdir, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { renameOver } from "mcp-tunnel-shared";

/** Between two entries of the list. */
const separator = ",\n";

/**
 * A HAR file that can be read at any time, also after this process was killed: what is new is written into a
 * copy, which then takes the place of the file. On file systems that can do it, the copy shares its bytes
 * with the file (reflink).
 */
export class HarFile {
  /** The file itself, if the given path is a link: the link stays. */
  readonly #path: string;
  readonly #trailer: (missed: number) => string;
  /** Bytes before the trailer. */
  #end: number;
  #size: number;
  /**
   * The number of the file, by which another one with the same name and size is known. On Windows it has 64
   * bits.
   */
  #inode = 0n;
  #isEmpty = true;

  private constructor(path: string, head: string, trailer: (missed: number) => string) {
    this.#path = path;
    this.#trailer = trailer;
    this.#end = Buffer.byteLength(head);
    this.#size = this.#end + Buffer.byteLength(trailer(0));
  }

  /**
   * Writes an archive without entries, readable for its owner alone. A file that is there is replaced, once
   * the new one is complete.
   */
  static async create(given: string, head: string, trailer: (missed: number) => string): Promise<HarFile> {
    const path = await resolved(given);
    await removeLeftovers(path);
    const file = new HarFile(path, head, trailer);
    await file.#replace(async (part) => {
      const handle = await open(part, "wx", 0o600);
      await closing(handle, () => handle.writeFile(head + trailer(0)));
    });
    return file;
  }

  /**
   * Adds entries, as long as the file stays within `maxBytes`. Returns false if one did not fit: then that
   * one and the rest are left out. `missed` is asked for once the entries are there.
   */
  async add(entries: AsyncIterable<string>, missed: () => number, maxBytes: number): Promise<boolean> {
    const longestTrailer = Buffer.byteLength(this.#trailer(Number.MAX_SAFE_INTEGER));
    let trailer = Buffer.alloc(0);
    let end = this.#end;
    let isEmpty = this.#isEmpty;
    let fits = true;
    await this.#replace(async (part) => {
      const { ino, size } = await lstat(this.#path, { bigint: true });
      if (size !== BigInt(this.#size) || ino !== this.#inode) throw new Error("somebody else has changed it");
      await copyFile(this.#path, part, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      const handle = await open(part, "r+");
      await closing(handle, async () => {
        for await (const entry of entries) {
          const bytes = Buffer.from((isEmpty ? "" : separator) + entry);
          fits = end + bytes.length + longestTrailer <= maxBytes;
          if (!fits) break;
          await writeAll(handle, bytes, end);
          end += bytes.length;
          isEmpty = false;
        }
        trailer = Buffer.from(this.#trailer(missed()));
        await writeAll(handle, trailer, end);
        await handle.truncate(end + trailer.length);
      });
    });
    this.#end = end;
    this.#size = end + trailer.length;
    this.#isEmpty = isEmpty;
    return fits;
  }

  /** Puts what `write` has made into the place of the file. If that fails, the file is as it was. */
  async #replace(write: (part: string) => Promise<void>): Promise<void> {
    const part = `${this.#path}.${process.pid}-${randomBytes(4).toString("hex")}.part`;
    try {
      await write(part);
      const { ino } = await lstat(part, { bigint: true });
      await renameOver(part, this.#path);
      this.#inode = ino;
    } catch (error) {
      await rm(part, { force: true }).catch(() => {});
      throw error;
    }
  }
}

async function resolved(path: string): Promise<string> {
  try {
    await refuseForeignLink(path);
    const found = await realpath(path);
    if (!(await stat(found)).isFile()) throw new Error("it is no file");
    return found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return join(await folderOf(path), basename(path));
  }
}

async function folderOf(path: string): Promise<string> {
  try {
    return await realpath(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error("the folder does not exist", { cause: error });
  }
}

/**
 * In a folder that all may write to, such as /tmp, somebody else may have put a link to a file of this user.
 * That file would be replaced. Linux follows no such link (`fs.protected_symlinks`), but here it is resolved
 * by hand, because the new file takes the place of what it leads to.
 */
async function refuseForeignLink(path: string): Promise<void> {
  const found = await lstat(path);
  const user = process.getuid?.();
  if (user === undefined || !found.isSymbolicLink() || [user, 0].includes(found.uid)) return;
  throw new Error("it is a link that another user has made");
}

/** Copies that killed processes have left. They are as long as the file, and have its texts. */
async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.`;
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const pid = /^(\d+)-[\da-f]{8}\.part$/.exec(name.slice(prefix.length))?.[1];
    // What cannot be removed is somebody else's.
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name)).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** A write may take fewer bytes than it was given, as on a disk that becomes full. */
async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function closing(handle: FileHandle, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await handle.close();
  }
}
