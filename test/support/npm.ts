import { join } from "node:path";

/**
 * The environment of somebody who has never used npm: `home` is an empty folder, which gets the cache and all
 * else. `registry`: the URL that npm takes for its registry.
 */
export function freshNpm(home: string, registry: string): NodeJS.ProcessEnv {
  // `npm run` tells its own settings to what it runs.
  const inherited = Object.keys(process.env).filter((name) => /^npm_/i.test(name));
  return {
    ...Object.fromEntries(inherited.map((name) => [name, undefined])),
    HOME: home,
    XDG_CONFIG_HOME: join(home, ".config"),
    XDG_STATE_HOME: join(home, ".local", "state"),
    npm_config_cache: join(home, ".npm"),
    npm_config_globalconfig: join(home, "npmrc"),
    npm_config_prefix: join(home, "prefix"),
    npm_config_registry: registry,
    npm_config_userconfig: join(home, ".npmrc"),
  };
}
