import { afterAll, beforeAll, describe } from "vitest";
import type { MakeState } from "./contract/test-cluster.js";
import { engineContract } from "./engine-contract.js";
import { engineModel } from "./engine-model.js";
import { noRedis, redisEngine, RedisServer } from "./redis-server.js";

describe.skipIf(noRedis)("Redis", () => {
  let server: RedisServer;
  let clusters = 0;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.close());

  const make: MakeState = async (times) => {
    // Each test has keys of its own on the one server.
    const prefix = `cluster-${clusters++}`;
    const opened: { close(): Promise<void> }[] = [];
    return {
      connect: async () => {
        const redis = redisEngine({ url: server.url, prefix, times });
        opened.push(redis);
        return redis.engine;
      },
      close: async () => {
        for (const redis of opened) await redis.close();
      },
    };
  };

  engineContract("Redis", make, "real");
  engineModel("Redis", make, 15, "real");
});
