import type { Software } from "../matrix.js";
import { djangoUnderGunicorn, djangoByDefault, djangoForwardedHost, djangoSecure } from "./django.js";
import { express, expressBehindProxy } from "./express.js";
import { fastify, fastifyBehindProxy } from "./fastify.js";
import { flask, flaskWithProxyFix } from "./flask.js";
import { jupyter } from "./jupyter.js";
import { mcpGuarded, mcpMounted, mcpOauth, mcpOauthStrict } from "./mcp-python.js";
import { mcpTypeScriptV1, mcpTypeScriptV2 } from "./mcp-typescript.js";
import { next } from "./next.js";
import { php } from "./php.js";
import { rails } from "./rails.js";
import { streamlit } from "./streamlit.js";
import { vite } from "./vite.js";
import { apacheWebdav, nginxWebdav } from "./webdav.js";
import { webpackDevServer, webpackDevServerAuto } from "./webpack.js";

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

export const nodeSoftware: readonly Software[] = [
  express,
  expressBehindProxy,
  fastify,
  fastifyBehindProxy,
  next,
  vite,
  webpackDevServer,
  webpackDevServerAuto,
  mcpTypeScriptV1,
  mcpTypeScriptV2,
];

export const phpAndRubySoftware: readonly Software[] = [php, rails];

/** The rows of docs/services.md. */
export const allSoftware: readonly Software[] = [
  ...pythonSoftware,
  ...nodeSoftware,
  ...phpAndRubySoftware,
  ...webdavSoftware,
];
