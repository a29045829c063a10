import { describeMatrix } from "./matrix.js";
import {
  djangoBehindGunicorn,
  djangoByDefault,
  djangoForwardedHost,
  djangoSecure,
} from "./software/django.js";
import { flask } from "./software/flask.js";
import { jupyter } from "./software/jupyter.js";
import { mcpGuarded, mcpMounted, mcpOauth } from "./software/mcp-python.js";
import { streamlit } from "./software/streamlit.js";

describeMatrix([
  djangoByDefault,
  djangoSecure,
  djangoBehindGunicorn,
  djangoForwardedHost,
  flask,
  mcpMounted,
  mcpGuarded,
  mcpOauth,
  jupyter,
  streamlit,
]);
