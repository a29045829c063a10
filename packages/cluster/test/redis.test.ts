import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startRawServer } from "../../../test/support/raw-server.js";
import { freePort } from "../../../test/support/free-port.js";
import { redisPlace } from "../src/engine/redis/options.js";
import { held, longTimes, TestNode, tunnel } from "./contract/test-cluster.js";
import { noRedis, redisEngine, RedisServer } from "./redis-server.js";

describe.skipIf(noRedis)("Redis", () => {
  const closing = closingAfterEach();
  let server: RedisServer;
  let prefix = "";
  let count = 0;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  beforeEach(() => {
    prefix = `test-${count++}`;
  });
  afterAll(() => server.close());

  const key = (name: string): string => `{${prefix}}:${name}`;
  /** A relay that has joined. */
  const start = async (id = "a", over = {}) => {
    const redis = closing(redisEngine({ url: server.url, prefix, ...over }));
    const node = new TestNode(redis.engine, id);
    await redis.engine.join(node.info);
    return { node, engine: redis.engine, warnings: redis.warnings };
  };

  describe("generations", () => {
    it("gives claims of one microsecond numbers of their own, exactly", async () => {
      const [{ node: a }, { node: b }] = [await start("a"), await start("b")];
      // The clock is far behind, so each claim gets the next number, however many there are at once.
      const before = 4_000_000_000_000_001;
      await server.command("SET", key("gen"), `${before}`);
      const claims = Array.from({ length: 200 }, async (_, at) =>
        (at % 2 === 0 ? a : b).get(at % 3 === 0 ? `own${at}` : "shared", tunnel(`${at}`), {
          maxOwned: 1_000,
        }),
      );
      const gens = (await Promise.all(claims)).map(({ gen }) => gen).toSorted((one, other) => one - other);
      expect(gens).toEqual(Array.from({ length: 200 }, (_, at) => before + 1 + at));
      const [found] = await a.engine.find("shared");
      const text = await server.command("GET", key("name:shared"));
      expect(text).toMatch(new RegExp(`^${found?.gen} [ab] 0 \\{`));
      expect(await server.command("GET", key("gen"))).toBe(`${before + 200}`);
      const members = await server.command("SMEMBERS", key(`held:${found?.node}`));
      expect(members).toContain(`${found?.gen} shared`);
    });

    it("go on above an entry that a relay has put back after a failover", async () => {
      const { node } = await start();
      const entry = { ...(await node.get("app", tunnel("x"))), gen: 4_000_000_000_000_001 };
      await node.engine.reconcile("a", [held(entry)]);
      await server.command("DEL", key("gen"));
      expect((await node.get("app", tunnel("y"))).gen).toBe(entry.gen + 1);
    });
  });

  describe("a server that forgets", () => {
    it("is given a script again that it does not know, once", async () => {
      const { node } = await start();
      await node.get("app", tunnel("x"));
      await server.command("SCRIPT", "FLUSH");
      await server.command("CONFIG", "RESETSTAT");
      for (let time = 0; time < 3; time++) await node.get("app", tunnel("x"));
      const stats = String(await server.command("INFO", "commandstats"));
      expect(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1]).toBe("1");
      expect(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]).toBe("3");
    });

    it("gets all names back by the reconciles, and all relays by their leases", async () => {
      const [{ node: a, warnings }, { node: b }] = [await start("a"), await start("b")];
      const entries = [await a.get("one", tunnel("x")), await a.get("two", tunnel("y"))];
      await server.command("FLUSHALL");
      expect(await a.engine.nodes()).toEqual([]);
      await b.hearsOf("two", () => a.engine.reconcile("a", entries.map(held)));
      expect(warnings).toEqual(["Redis had lost 2 names of this relay; they were put back"]);
      await a.engine.renew(a.info);
      expect(await b.engine.nodes()).toEqual([a.info]);
      for (const entry of entries) expect(await b.engine.find(entry.name)).toEqual([entry]);
      // The limit counts them again.
      expect(await b.claim("three", tunnel("z"), { maxOwned: 2 })).toEqual({ refused: "limit" });
    });
  });

  describe("a connection", () => {
    it("is taken up again after a loss, and listeners are told to look again", async () => {
      const [{ node: a, warnings }, { node: b }] = [await start("a"), await start("b")];
      // Both have joined.
      await a.heard(() => a.events.length === 2);
      a.events.length = 0;
      await server.command("CLIENT", "KILL", "TYPE", "pubsub");
      await a.heard(({ kind }) => kind === "nodes");
      expect(warnings).toEqual([
        expect.stringContaining(`Redis at 127.0.0.1:${server.port} could not keep the connection`),
        `connected to Redis at 127.0.0.1:${server.port} again`,
      ]);
      await a.hearsOf("app", () => b.get("app", tunnel("x")));
    });

    it("is taken up again when the server was started anew; meanwhile calls fail at once", async () => {
      const own = closing(await RedisServer.start());
      const { node, engine } = await start("a", { url: own.url });
      const entry = await node.get("app", tunnel("x"));
      await own.kill();
      await expect(engine.find("app")).rejects.toMatchObject({ code: "unavailable" });
      node.events.length = 0;
      await own.start();
      await node.heard(({ kind }) => kind === "nodes");
      await engine.renew(node.info);
      await node.hearsOf("app", () => engine.reconcile("a", [held(entry)]));
      expect(await engine.find("app")).toEqual([entry]);
    });

    it("is given up after two silent seconds, and the next call needs no longer", async () => {
      const own = closing(await RedisServer.start());
      const { node, engine, warnings } = await start("a", { url: own.url });
      own.signal("SIGSTOP");
      const began = performance.now();
      await expect(node.claim("app", tunnel("x"))).rejects.toMatchObject({
        code: "unavailable",
        message: `Redis at 127.0.0.1:${own.port} did not claim a name within 2000 ms: no answer`,
      });
      const took = performance.now() - began;
      expect(took).toBeGreaterThan(1_900);
      expect(took).toBeLessThan(2_500);
      expect(warnings).toHaveLength(1);
      // The kernel takes connections for the stopped server, which never answers on them.
      await expect(engine.find("app")).rejects.toMatchObject({ code: "unavailable" });
      expect(performance.now() - began - took).toBeLessThan(2_500);
      node.events.length = 0;
      own.signal("SIGCONT");
      await node.heard(({ kind }) => kind === "nodes");
      expect(await node.get("app", tunnel("x"))).toBeDefined();
    });

    it.each([
      ["was demoted", ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]],
      [
        "has lost its replicas",
        ["CONFIG", "SET", "min-replicas-to-write", "1"],
        ["CONFIG", "SET", "min-replicas-to-write", "0"],
      ],
    ])("is sought anew if the server %s", async (_, before, after) => {
      const own = closing(await RedisServer.start());
      const { node, warnings } = await start("a", { url: own.url });
      await own.command(...before);
      node.events.length = 0;
      await expect(node.claim("app", tunnel("x"))).rejects.toThrow(
        "it takes no writes; is a failover going on?",
      );
      await node.heard(({ kind }) => kind === "nodes");
      expect(warnings.at(-1)).toBe(`connected to Redis at 127.0.0.1:${own.port} again`);
      await own.command(...after);
      expect(await node.get("app", tunnel("x"))).toBeDefined();
    });

    it("takes no writes for long: is sought with pauses, though each connection is followed by a write", async () => {
      const own = closing(await RedisServer.start());
      const { node } = await start("a", { url: own.url });
      await own.command("CONFIG", "SET", "min-replicas-to-write", "1");
      node.events.length = 0;
      const began = performance.now();
      for (let i = 1; i <= 5; i++) {
        // As a relay does: it compares its names whenever there is a connection again.
        await expect(node.claim("app", tunnel("x"))).rejects.toThrow("it takes no writes");
        await node.heard(() => node.events.filter(({ kind }) => kind === "nodes").length === i);
      }
      // Pauses of 100 to 1,000 ms, of which each may be a quarter shorter.
      expect(performance.now() - began).toBeGreaterThan(0.75 * (100 + 200 + 400 + 800 + 1_000));
      await own.command("CONFIG", "SET", "min-replicas-to-write", "0");
      expect(await node.get("app", tunnel("x"))).toBeDefined();
    });

    it("is not there: says where it was looked for, and can be tried again", async () => {
      const port = await freePort();
      const redis = closing(redisEngine({ url: `redis://user:secret@127.0.0.1:${port}` }));
      const { info } = new TestNode(redis.engine, "a");
      const failure = redis.engine.join(info);
      await expect(failure).rejects.toMatchObject({ code: "unavailable" });
      await expect(failure).rejects.toThrow(`Redis at 127.0.0.1:${port} could not be connected to`);
      await expect(failure).rejects.not.toThrow("secret");
      await expect(redis.engine.join(info)).rejects.toThrow(
        "nobody listens there; is it running, and does --cluster lead to it? (connect ECONNREFUSED",
      );
    });

    it("is another server, which ends the connection: asks whether it is Redis", async () => {
      const other = closing(await startRawServer((socket) => void socket.on("data", () => socket.end())));
      const { engine } = closing(redisEngine({ url: `redis://127.0.0.1:${other.port}` }));
      await expect(engine.join(new TestNode(engine, "a").info)).rejects.toThrow(
        "it ends connections; is it Redis, and does it want TLS (rediss://)? (Socket closed unexpectedly)",
      );
    });

    it("fails all calls once the engine is closed", async () => {
      const { engine } = await start();
      await engine.close();
      await expect(engine.find("app")).rejects.toMatchObject({ code: "unavailable" });
    });
  });

  describe("a login", () => {
    it("says what is wrong with a password, without telling it", async () => {
      const own = closing(await RedisServer.start("--requirepass", "right"));
      const join = async (options: { user?: string; password?: string }) => {
        const { engine } = closing(redisEngine({ url: own.url, ...options }));
        await engine.join(new TestNode(engine, "a").info);
      };
      const wrong = join({ password: "wrong-secret" });
      await expect(wrong).rejects.toThrow("check both (--cluster-user, --cluster-password-file)");
      await expect(wrong).rejects.toMatchObject({ code: "unavailable", isHopeless: true });
      await expect(wrong).rejects.not.toThrow("wrong-secret");
      await expect(join({})).rejects.toThrow(
        "asks for a password, and none is set; see --cluster-password-file",
      );
      await join({ password: "right" });
      const { engine } = closing(redisEngine({ url: own.url.replace("//", "//:right@") }));
      expect(await engine.find("app")).toEqual([]);
    });

    it("needs only the rights that README.md lists", async () => {
      const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
      const rights = /`(~\{mcp-tunnel\}:\* [^`]+)`/.exec(readme)?.[1] ?? "";
      await server.command("ACL", "SETUSER", "relay", "on", ">secret", "-@all", ...rights.split(/\s+/));
      const login = { user: "relay", password: "secret" };
      const { node } = await start("a", { ...login, prefix: undefined });
      const entry = await node.get("app", tunnel("x", { pool: "" }));
      await node.hearsOf("app", () => node.engine.changed("app", entry.gen, true));
      await node.engine.stick("app", "digest", entry.gen);
      expect(await node.engine.stuck("app", "digest")).toBe(entry.gen);
      expect(await node.engine.reconcile("a", [held({ ...entry, moving: true })])).toEqual([]);
      expect(await node.engine.reconcile("a", [])).toEqual([]);
      expect(await node.engine.nodes()).toEqual([node.info]);
      await node.engine.remember("s", { code: 4001, reason: "revoked" });
      expect(await node.engine.verdict("s")).toEqual({ code: 4001, reason: "revoked" });
      expect(await node.engine.write("k", "text", 0)).toBe(true);
      expect(await node.engine.lock("k", "a", 1_000)).toBe(true);
      await node.engine.leave("a");
      const other = start("a", login);
      await expect(other).rejects.toThrow("its ACL lacks rights for this user");
    });

    it("goes over TLS to a server whose certificate it trusts, and to no other", async () => {
      const folder = closing(createFolder());
      const ca = await createAuthority();
      const { cert, key: secret } = await ca.issue(["localhost"]);
      const port = await freePort();
      const files = { cert: folder.write("cert.pem", cert), key: folder.write("key.pem", secret) };
      const tls = ["--tls-port", `${port}`, "--tls-auth-clients", "no"];
      closing(await RedisServer.start(...tls, "--tls-cert-file", files.cert, "--tls-key-file", files.key));
      const { node } = await start("a", { url: `rediss://localhost:${port}`, ca: ca.cert });
      expect(await node.get("app", tunnel("x"))).toBeDefined();
      await expect(start("b", { url: `rediss://localhost:${port}` })).rejects.toThrow("certificate");
      await expect(start("b", { url: `rediss://127.0.0.1:${port}`, ca: ca.cert })).rejects.toThrow(
        "127.0.0.1",
      );
    });
  });

  describe("data of others", () => {
    const unreadable = [
      "no entry at all",
      "12 a 0 {",
      "12 a 0 []",
      '12 a 0 {"owner":"token","address":"192.0.2.1","wire":"v9","takesRefusals":false}',
      '99999999999999999999 a 0 {"owner":"token","address":"192.0.2.1","wire":"v1","takesRefusals":false}',
      "12 a",
      "\n\n",
    ];

    it.each(unreadable)("counts as no entry, and is written over: %j", async (text) => {
      const { node, warnings } = await start();
      await server.command("SET", key("name:app"), text);
      expect(await node.engine.find("app")).toEqual([]);
      expect(warnings.length).toBe(text.trim() === "" ? 0 : 1);
      const entry = await node.get("app", tunnel("x"), { mayEvict: false });
      await server.command("SET", key("name:app"), text);
      await node.engine.reconcile("a", [held(entry)]);
      expect(await node.engine.find("app")).toEqual([entry]);
      expect(await server.command("GET", key("name:app"))).toMatch(new RegExp(`^${entry.gen} a 0 .*$`));
    });

    it("counts as no entry if it is of another type", async () => {
      const { node } = await start();
      await server.command("HSET", key("name:app"), "a", "b");
      await server.command("RPUSH", key("gen"), "a");
      expect(await node.engine.find("app")).toEqual([]);
      const entry = await node.get("app", tunnel("x"), { mayEvict: false });
      expect(await node.engine.find("app")).toEqual([entry]);
    });

    it("does not use a limit up", async () => {
      const { node } = await start();
      await node.get("one", tunnel("x"));
      await node.get("two", tunnel("x"));
      await server.command("DEL", key("name:one"));
      await server.command("SADD", key("owner:token"), "no member");
      await node.get("three", tunnel("x"), { maxOwned: 2 });
      expect(await node.claim("four", tunnel("x"), { maxOwned: 2 })).toEqual({ refused: "limit" });
    });

    it("is no relay, no verdict, no event, no text and no member of a pool", async () => {
      const { node, engine, warnings } = await start();
      await server.command("HSET", key("infos"), "b", "{");
      await server.command("ZADD", key("nodes"), "9999999999999", "b");
      expect(await engine.nodes()).toEqual([node.info]);
      await server.command("SET", key("verdict:s"), '{"code":1}');
      expect(await engine.verdict("s")).toBeUndefined();
      await server.command("SET", key("sticky:app:digest"), "12");
      expect(await engine.stuck("app", "digest")).toBeUndefined();
      await server.command("SET", key("text:k"), "text");
      expect(await engine.read("k")).toBeUndefined();
      expect(await engine.write("k", "new", 0)).toBe(true);
      warnings.length = 0;
      for (const message of ["", "name", "name x {}", 'name 12 {"name":1}', "\u001b[2J"]) {
        await server.command("PUBLISH", key("events"), message);
      }
      node.events.length = 0;
      await server.command("PUBLISH", key("events"), "nodes");
      await node.heard(({ kind }) => kind === "nodes");
      expect(warnings).toHaveLength(5);
      expect(warnings.at(-1)).not.toContain("\u001b");
      expect(node.events).toHaveLength(1);
    });
  });

  describe("a reconcile", () => {
    const many = (length: number) =>
      Array.from({ length }, (_, at) =>
        held({ name: `name${at}`, node: "a", gen: 1_000 + at, info: tunnel(`${at}`), moving: false }),
      );

    it("does not put back what the relay releases meanwhile", async () => {
      const { node } = await start();
      const names = many(1_500);
      await node.engine.reconcile("a", names);
      const reconciled = node.engine.reconcile("a", names);
      expect(await node.engine.release("name1499", 2_499)).toBe(true);
      await node.engine.changed("name1498", 2_498, true);
      expect(await reconciled).toEqual([]);
      expect(await node.engine.find("name1499")).toEqual([]);
      expect((await node.engine.find("name1498"))[0]?.moving).toBe(true);
    });

    it("sweeps two thousand names of dead relays at most, and the next one goes on", async () => {
      const times = { ...longTimes, leaseMs: 1, keepNamesMs: 1 };
      const [{ node: a }, { engine: b }] = [await start("a", { times }), await start("b", { times })];
      await a.engine.reconcile("a", many(2_300));
      const left = async () => Number(await server.command("SCARD", key("held:a")));
      await b.reconcile("b", []);
      expect(await left()).toBe(300);
      await b.reconcile("b", []);
      expect(await left()).toBe(0);
      // Nothing is left of the relay but the greatest generation and the relay that swept.
      const keys = await server.command("KEYS", key("*"));
      expect(keys).not.toContainEqual(expect.stringMatching(/name:|owner:|held:/));
    });
  });

  it("keeps the member of a session for an hour after it was asked for", async () => {
    const { node } = await start();
    const { gen } = await node.get("app", tunnel("x", { pool: "" }));
    await node.engine.stick("app", "digest", gen);
    await server.command("PEXPIRE", key("sticky:app:digest"), "10000");
    expect(await node.engine.stuck("app", "digest")).toBe(gen);
    const left = Number(await server.command("PTTL", key("sticky:app:digest")));
    expect(left).toBeGreaterThan(3_590_000);
    expect(left).toBeLessThanOrEqual(3_600_000);
  });
});

describe("the URL of Redis", () => {
  it.each([
    [
      "redis://redis.example",
      { servers: [{ host: "redis.example", port: 6_379 }], isTls: false, database: 0 },
    ],
    [
      "rediss://[2001:db8::1]:7000/3",
      { servers: [{ host: "2001:db8::1", port: 7_000 }], isTls: true, database: 3 },
    ],
    ["redis://u%40x:p%3Aw@h", { user: "u@x", password: "p:w" }],
    ["redis://:p:w@h", { user: undefined, password: "p:w" }],
    [
      "redis+sentinel://one,two:7001/main/2",
      {
        servers: [
          { host: "one", port: 26_379 },
          { host: "two", port: 7_001 },
        ],
        master: "main",
        database: 2,
      },
    ],
    ["rediss+sentinel://u:p@one/main", { isTls: true, master: "main", user: "u", password: "p" }],
  ])("is read: %s", (url, expected) => {
    expect(redisPlace({ url })).toMatchObject(expected);
  });

  it.each([
    "http://redis.example",
    "redis://",
    "redis://h:0",
    "redis://h:70000",
    "redis://one,two",
    "redis://h/x",
    "redis://h/1/2",
    "redis+sentinel://one,two",
    "redis+sentinel://one,,two/main",
    "redis://u:secret%@h",
    "redis://u:secret@h@i:x",
  ])("is refused, without telling a password: %s", (url) => {
    const read = (): unknown => redisPlace({ url });
    expect(read).toThrow(expect.objectContaining({ code: "invalid_option" }));
    expect(read).not.toThrow("secret");
  });

  it("comes before user and password of its own", () => {
    const place = redisPlace({ url: "redis://a:b@h", user: "c", password: "d" });
    expect(place).toMatchObject({ user: "c", password: "d" });
    expect(() => redisPlace({ url: "redis://h", prefix: "{x}" })).toThrow("the prefix of the keys");
  });
});
