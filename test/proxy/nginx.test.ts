import { nginx } from "./proxies.js";
import { describeProxy } from "./suite.js";

describeProxy(nginx);
