import { directoryContract } from "../../cluster/test/directory-contract.js";
import { MemoryDirectory } from "../src/index.js";
import { LaterDirectory } from "./directories.js";

directoryContract("what is kept in memory", () => new MemoryDirectory());
directoryContract("what answers a turn later", () => new LaterDirectory());
