import { afterEach, beforeEach } from "vitest";
import { directoryContract } from "./directory-contract.js";
import { TestCluster } from "./support/test-cluster.js";

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

directoryContract("a relay of a cluster", async () => (await cluster.node("a")).member.directory);
