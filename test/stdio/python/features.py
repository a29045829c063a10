"""An MCP server of the Python SDK, with what mcp-server-time has no need of. It runs over stdio."""

from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample
from mcp_types import CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("features", instructions="For the tests of a bridge.")
cancelled = 0
somebody_cancelled = anyio.Event()


class Size(BaseModel):
    size: int


class Answer(BaseModel):
    colour: str
    count: int = 3


def ask() -> Elicit[Answer]:
    return Elicit("Which colour?", Answer)


def sample() -> Sample:
    text = TextContent(type="text", text="What is a tunnel?")
    return Sample([SamplingMessage(role="user", content=text)], max_tokens=10)


def roots() -> ListRoots:
    return ListRoots()


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Counts up and reports its progress."""
    for n in range(1, to + 1):
        await ctx.report_progress(n, to, f"counted to {n}")
    return f"counted to {to}"


@server.tool()
async def log(ctx: Context) -> str:
    """Logs at three levels."""
    await ctx.debug("a detail")
    await ctx.info({"structured": [1, None, "ä€😀"]})
    await ctx.warning("a warning", logger_name="features")
    return "logged"


@server.tool()
def choose(answer: Annotated[Answer, Resolve(ask)]) -> Answer:
    """Asks the user."""
    return answer


@server.tool()
def think(answer: Annotated[CreateMessageResult, Resolve(sample)]) -> str:
    """Asks the client's model."""
    return answer.model_dump_json(by_alias=True)


@server.tool()
def look(found: Annotated[ListRootsResult, Resolve(roots)]) -> list[str]:
    """Asks for the roots."""
    return [str(root.uri) for root in found.roots]


@server.tool()
def large(size: int) -> str:
    """Says a long text."""
    return "ä€😀x" * size


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("on purpose")


@server.tool()
async def wait(ctx: Context) -> str:
    """Waits until it is cancelled."""
    global cancelled
    await ctx.report_progress(1)
    try:
        await anyio.sleep_forever()
    finally:
        cancelled += 1
        somebody_cancelled.set()


@server.tool()
async def cancellations() -> int:
    """Says how many calls of `wait` were cancelled, once there is one."""
    await somebody_cancelled.wait()
    return cancelled


@server.tool()
async def touch(ctx: Context) -> str:
    """Tells that a resource has changed."""
    if (ctx.protocol_version or "") < "2026":
        await ctx.session.send_resource_updated("features://watched")
    else:
        await ctx.notify_resource_updated("features://watched")
    return "touched"


@server.resource("features://watched", mime_type="text/plain")
def watched() -> str:
    """A text that changes."""
    return "watched"


@server.resource("features://number/{number}", mime_type="application/octet-stream")
def number(number: str) -> bytes:
    """A resource of a template."""
    return number.encode()


@server.prompt()
def greet(name: str) -> str:
    """Greets."""
    return f"Greet {name}."


if __name__ == "__main__":
    server.run("stdio")
