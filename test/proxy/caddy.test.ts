import { caddy } from "./proxies.js";
import { describeProxy } from "./suite.js";

describeProxy(caddy);
