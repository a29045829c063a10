import type { Environment } from "./environment.js";

/**
 * What is run for a server on POSIX. Node starts `/bin/sh` with {@link startScript} as the leader of a
 * session and of a process group of its own. The script starts a watcher in the group and becomes the server,
 * which thus has the number that Node knows, and Node sees the server's own end.
 *
 * The watcher waits for the end of file on its way to this process, which comes however this process ends, by
 * `kill -9` too. It signals its own group as group 0: no number is stored that another process could have by
 * then. While the watcher lives, the number of the group is not given to another.
 *
 * A process that makes a session or a group of its own, as daemons do, is out of its reach.
 */

/** What the watcher is told when the server has ended, and this process lives. */
export const serverEnded = "ended\n";

/** How long what a server has left behind in its group has after SIGTERM, in seconds. */
const leftoverGraceSeconds = 1;

/**
 * Arguments: the shell, the watcher's script, the kill grace in seconds, the command.
 *
 * - The subshell has ended before the server begins: the server has no child that it does not know.
 * - The watcher holds nothing of the server's but its group: no pipe and no directory.
 * - The `trap` comes first. What ignores a signal passes that on to the programs that it starts, `sleep` too.
 * - The subshell fails when the system has no more processes. There is no server without a watcher.
 * - A subshell's `$$` is the number of the shell, which is the leader and so names the group.
 */
const startScript = `
(
  trap '' HUP INT QUIT TERM
  cd /
  PATH=/usr/bin:/bin:$PATH "$0" -c "$1" mcp-tunnel-watcher "$2" "$$" <&3 3<&- >/dev/null 2>&1 &
) || exit
shift 2
exec "$@" 3<&-`;

/**
 * Arguments: the kill grace in seconds, the number of the group. A group of two has the watcher and `ps`
 * only: nothing was left behind, apart from zombies (Z), which wait for the system to take note of their end.
 * Where there is no `ps`, or another one, the grace is waited for.
 */
const watchScript = `
grace=$1
read -r order
if [ "$order" = ended ]; then
  grace=${leftoverGraceSeconds} members=0 state=
  for word in $(exec ps -A -o stat= -o pgid=); do
    [ "$word" = "$2" ] && [ "$state" = "\${state#Z}" ] && members=$((members + 1))
    state=$word
  done
  [ $members = 2 ] && exit
fi
kill -TERM 0
sleep "$grace"
kill -KILL 0`;

/**
 * The arguments of a shell that runs `program`, which is a path. sleep(1) takes whole seconds only, by POSIX.
 */
export function supervisorArguments(
  shell: string,
  program: string,
  args: readonly string[],
  environment: Environment,
  killGraceMs: number,
): string[] {
  const graceSeconds = String(Math.ceil(killGraceMs / 1_000));
  const command = [...unshellable(program, environment), program, ...args];
  return ["-c", startScript, shell, watchScript, graceSeconds, ...command];
}

/**
 * Variables whose names a shell does not know, such as npm's `npm_config_//HOST/:_authToken`. Debian's shell
 * does not pass them on, so env(1) adds them again. It would take a path with `=` for one more of them.
 */
function unshellable(program: string, environment: Environment): string[] {
  const lost = Object.entries(environment).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name));
  if (lost.length === 0 || program.includes("=")) return [];
  return ["/usr/bin/env", "--", ...lost.map(([name, value]) => `${name}=${value}`)];
}
