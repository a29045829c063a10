"""An MCP server mounted in a FastAPI application, as its documentation shows."""

import contextlib

from fastapi import FastAPI
from mcp.server.mcpserver import MCPServer

mcp = MCPServer("mounted")


@mcp.tool()
def add(a: int, b: int) -> int:
    return a + b


mounted = mcp.streamable_http_app(streamable_http_path="/")


@contextlib.asynccontextmanager
async def lifespan(_):
    async with mcp.session_manager.run():
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/items/")
def items():
    return ["item"]


app.mount("/mcp", mounted)
