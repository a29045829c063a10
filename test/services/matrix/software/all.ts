import type { Software } from "../matrix.js";
import { djangoUnderGunicorn, djangoByDefault, djangoForwardedHost, djangoSecure } from "./django.js";
import { flask, flaskWithProxyFix } from "./flask.js";
import { jupyter } from "./jupyter.js";
import { mcpGuarded, mcpMounted, mcpOauth, mcpOauthStrict } from "./mcp-python.js";
import { streamlit } from "./streamlit.js";
import { apacheWebdav, nginxWebdav } from "./webdav.js";

export const pythonSoftware: readonly Software[] = [
  djangoByDefault,
  djangoSecure,
  djangoUnderGunicorn,
  djangoForwardedHost,
  flask,
  flaskWithProxyFix,
  mcpMounted,
  mcpGuarded,
  mcpOauth,
  mcpOauthStrict,
  jupyter,
  streamlit,
];

export const webdavSoftware: readonly Software[] = [nginxWebdav, apacheWebdav];

/** The rows of docs/services.md. */
export const allSoftware: readonly Software[] = [...pythonSoftware, ...webdavSoftware];
