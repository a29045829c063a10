import { MemoryDirectory } from "../src/index.js";
import { LaterDirectory } from "./directories.js";
import { directoryContract } from "./directory-contract.js";

directoryContract("what is kept in memory", () => new MemoryDirectory());
directoryContract("what answers a turn later", () => new LaterDirectory());
