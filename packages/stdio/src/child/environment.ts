const tunnelPrefix = "MCP_TUNNEL_";

export type Environment = Readonly<Record<string, string>>;

/**
 * The environment of a server: that of this process without the tunnel's own variables, which may hold its
 * token, and with `added`, in which `undefined` takes a variable out. Names on Windows have no case.
 */
export function serverEnvironment(
  added: Readonly<Record<string, string | undefined>>,
  inherited: NodeJS.ProcessEnv = process.env,
  isWindows: boolean = process.platform === "win32",
): Environment {
  const nameOf = (name: string): string => (isWindows ? name.toUpperCase() : name);
  const replaced = new Set(Object.keys(added).map(nameOf));
  const kept = Object.entries(inherited).filter(
    ([name]) => !nameOf(name).startsWith(tunnelPrefix) && !replaced.has(nameOf(name)),
  );
  const entries = [...kept, ...Object.entries(added)];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
