"""An MCP server of the Python SDK, with its guard against DNS rebinding, the default on localhost."""

import sys

from mcp.server.mcpserver import MCPServer

mcp = MCPServer("guarded")


@mcp.tool()
def add(a: int, b: int) -> int:
    return a + b


mcp.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
