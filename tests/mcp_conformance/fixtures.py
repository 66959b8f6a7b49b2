"""What the conformance suite wants a server to offer, so that it can see how the server behaves.

The tools go through our own factory, its middleware and its transport; resources, prompts and completions are the
protocol library's. Nothing of this is part of the product.
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import Awaitable, Callable, Sequence
from struct import pack
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    Completion,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import Field

from twokey.surfaces.mcp_server import Tool, create_server

SCOPE = "flags:read"
Answer = CallToolResult | InputRequiredResult
Run = Callable[..., Awaitable[Any]]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def _png() -> str:
    """One red pixel."""
    head = _chunk(b"IHDR", pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    made = b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + _chunk(b"IEND", b"")
    return base64.b64encode(made).decode()


def _wav() -> str:
    """Silence, in eight samples."""
    head = b"WAVEfmt " + pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data" + pack("<I", 8) + b"\x80" * 8
    return base64.b64encode(b"RIFF" + pack("<I", len(head)) + head).decode()


def text(said: str) -> TextContent:
    return TextContent(type="text", text=said)


def image() -> ImageContent:
    return ImageContent(type="image", data=_png(), mime_type="image/png")


def resource(uri: str, said: str, mime_type: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=said))


def content(*blocks: Any) -> Run:
    async def run() -> CallToolResult:
        return CallToolResult(content=list(blocks))

    return run


async def fail() -> CallToolResult:
    raise ToolError("This tool intentionally returns an error for testing")


async def log_on_the_way(ctx: Context) -> CallToolResult:
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(said)
        await asyncio.sleep(0.05)
    return CallToolResult(content=[text("logged")])


async def routed(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> CallToolResult:
    return CallToolResult(content=[text(region)])


async def report_progress(ctx: Context) -> CallToolResult:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return CallToolResult(content=[text("done")])


async def sample(prompt: str, ctx: Context) -> CallToolResult:
    message = SamplingMessage(role="user", content=text(prompt))
    answer = await ctx.session.create_message(messages=[message], max_tokens=100)
    return CallToolResult(content=[text(f"LLM response: {answer.content}")])


async def elicit(message: str, ctx: Context) -> CallToolResult:
    answer = await ctx.session.elicit_form(message, form(username="string", email="string"))
    return CallToolResult(content=[text(f"User response: {answer.action}")])


async def elicit_plainly(ctx: Context) -> CallToolResult:
    return await elicit("Who?", ctx)


async def need_sampling(ctx: Context) -> CallToolResult:
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        data = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(code=MISSING_REQUIRED_CLIENT_CAPABILITY, message="it needs sampling", data=data)
    return CallToolResult(content=[text("sampled")])


async def stream(ctx: Context) -> CallToolResult:
    await ctx.report_progress(1, 2)
    return CallToolResult(content=[text("streamed")])


# ---------------------------------------------------------------- asking back, in rounds


def form(**fields: str) -> dict[str, Any]:
    kinds = {name: {"type": kind} for name, kind in fields.items()}
    return {"type": "object", "properties": kinds, "required": list(fields)}


def ask(message: str, **fields: str) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=form(**fields)))


def ask_model(prompt: str) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=text(prompt))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=100))


def rounds(*each: dict[str, InputRequest], state: bool = False) -> Run:
    """A tool that asks in so many rounds, and is done once each key was answered."""

    async def run(ctx: Context) -> Answer:
        before = int(ctx.request_state or "0") if state else 0
        given = ctx.input_responses or {}
        here = before + 1 if given.keys() >= each[before].keys() else before
        if here < len(each):
            return InputRequiredResult(input_requests=each[here], request_state=str(here) if state else None)
        return CallToolResult(content=[text(f"state-ok {sorted(given)} {list(given.values())}")])

    return run


async def ask_what_is_supported(ctx: Context) -> Answer:
    can = ctx.client_capabilities
    wanted: dict[str, InputRequest] = {}
    if can is not None and can.sampling is not None:
        wanted["model"] = ask_model("Well?")
    if can is not None and can.elicitation is not None:
        wanted["person"] = ask("Well?", said="string")
    return InputRequiredResult(input_requests=wanted)


NAME = {"user_name": ask("What is your name?", name="string")}
CONFIRM = {"confirm": ask("Please confirm", ok="boolean")}
ROOTS: dict[str, InputRequest] = {"client_roots": ListRootsRequest()}
TOOLS: dict[str, Run] = {
    "test_simple_text": content(text("This is a simple text response for testing.")),
    "test_image_content": content(image()),
    "test_audio_content": content(AudioContent(type="audio", data=_wav(), mime_type="audio/wav")),
    "test_embedded_resource": content(resource("test://embedded-resource", "This is an embedded resource content.")),
    "test_multiple_content_types": content(
        text("Multiple content types test:"),
        image(),
        resource("test://mixed-content-resource", "{}", "application/json"),
    ),
    "test_error_handling": fail,
    "test_tool_with_logging": log_on_the_way,
    "test_logging_tool": log_on_the_way,
    "test_tool_with_progress": report_progress,
    "test_parameter_headers": routed,
    "test_sampling": sample,
    "test_elicitation": elicit,
    "test_elicitation_sep1034_defaults": elicit_plainly,
    "test_elicitation_sep1330_enums": elicit_plainly,
    "test_missing_capability": need_sampling,
    "test_streaming_elicitation": stream,
    "json_schema_2020_12_tool": content(text("ok")),
    "test_input_required_result_elicitation": rounds(dict(NAME)),
    "test_input_required_result_sampling": rounds({"capital_question": ask_model("What is the capital of France?")}),
    "test_input_required_result_list_roots": rounds(ROOTS),
    "test_input_required_result_request_state": rounds(dict(CONFIRM), state=True),
    "test_input_required_result_tampered_state": rounds(dict(CONFIRM), state=True),
    "test_input_required_result_multiple_inputs": rounds(
        {**NAME, "greeting": ask_model("Generate a greeting"), **ROOTS}, state=True
    ),
    "test_input_required_result_multi_round": rounds(
        {"step1": ask("Step 1: What is your name?", name="string")},
        {"step2": ask("Step 2: What is your favorite color?", color="string")},
        state=True,
    ),
    "test_input_required_result_capabilities": ask_what_is_supported,
}


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}, "phone": {"type": "string"}},
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["name"]}]}],
    "if": {"properties": {"name": {"const": "x"}}, "required": ["name"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["name"]},
    "additionalProperties": False,
}
"""What no signature says, and has to arrive as it is."""


def server() -> MCPServer[Any]:
    """Our factory's server, with the suite's fixtures in place of our tools."""
    tools: Sequence[Tool] = [Tool(name, name, SCOPE, _described(run)) for name, run in TOOLS.items()]
    made = create_server(lambda: None, lambda: {SCOPE}, tools)  # type: ignore[arg-type,return-value]
    schema = made._tool_manager.get_tool("json_schema_2020_12_tool")
    assert schema is not None
    schema.parameters = SCHEMA
    _add_resources(made)
    _add_prompts(made)

    @made.completion()
    async def complete(ref: Any, argument: Any, context: Any) -> Completion:
        return Completion(values=["paris", "park", "party"], total=3, has_more=False)

    async def accept(ctx: Any, params: Any) -> EmptyResult:
        return EmptyResult()

    for method, params in (
        ("logging/setLevel", SetLevelRequestParams),
        ("resources/subscribe", SubscribeRequestParams),
        ("resources/unsubscribe", UnsubscribeRequestParams),
    ):
        made._lowlevel_server.add_request_handler(method, params, accept)
    return made


def _described(run: Run) -> Run:
    run.__doc__ = run.__doc__ or "A fixture of the conformance suite."
    return run


def _add_resources(made: MCPServer[Any]) -> None:
    @made.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @made.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        return base64.b64decode(_png())

    @made.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:
        return f'{{"id": "{id}", "templateTest": true, "data": "Data for ID: {id}"}}'

    @made.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        return "watched"


def _add_prompts(made: MCPServer[Any]) -> None:
    @made.prompt()
    def test_simple_prompt() -> str:
        """A prompt without arguments."""
        return "This is a simple prompt for testing."

    @made.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A prompt with two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @made.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's name
        """A prompt that holds a resource."""
        return [
            UserMessage(resource(resourceUri, "Embedded resource content for testing.")),
            UserMessage("Process it."),
        ]

    @made.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """A prompt that holds a picture."""
        return [UserMessage(image()), UserMessage("Analyze the image above.")]

    @made.prompt()
    async def test_input_required_result_prompt(ctx: Context) -> Any:
        """A prompt that asks back."""
        given = ctx.input_responses or {}
        if "user_context" not in given:
            asked = ask("What context should the prompt use?", context="string")
            return InputRequiredResult(input_requests={"user_context": asked})
        return "The context was given."
