"""`chat`: a first client of the gateway. It calls as every other client does, over HTTP with a key, so what works here works for them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho import __version__
from sekisho.cli import figures, gateways
from sekisho.cli.failures import EXIT_INTERNAL, EXIT_USER, CommandError, usage
from sekisho.cli.invocations import API_KEY_VARIABLE, Invocation, of
from sekisho.cli.screens import is_terminal
from sekisho.core.wire import sse
from sekisho.kit import clock
from sekisho.kit.crypto import Secret

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 600.0
"""Longest wait between two pieces of an answer; a large local model may load for minutes."""

MOST_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An event of a stream beyond this is no answer of a model."""


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("chat")(chat)


def chat(
    context: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help="What to say. Default: standard input, or a conversation on a terminal.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="provider/model, such as sandbox/echo.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="Instructions that stand above the conversation.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Longest answer.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0, max=2, help="How freely the model chooses.")] = None,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read the key from the first line of standard input.")] = False,
    url: Annotated[str | None, typer.Option("--url", help="The gateway's address. Default: the one of the server on this home.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as one JSON document (as --format json).")] = False,
) -> None:
    """Talk to a model through the gateway.

    The answer is printed as it comes. The key comes from SEKISHO_API_KEY, from --key-stdin, or is asked for. Without a prompt, a
    terminal holds a conversation until Ctrl-D.
    """
    invocation = of(context)
    if as_json:
        invocation.screen.format = "json"
    gateway = gateways.Gateway(url) if url else _gateway(invocation)
    base_url = gateway.url.rstrip("/").removesuffix("/v1")
    key = _key(invocation, key_stdin)
    options = {name: value for name, value in (("max_tokens", max_tokens), ("temperature", temperature)) if value is not None}
    import httpx

    headers = {"authorization": f"Bearer {key.reveal()}", "accept-encoding": "identity", "user-agent": f"sekisho/{__version__}"}
    timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    verify = gateways.pinned(gateway.certificate) if gateway.certificate else True
    with httpx.Client(base_url=base_url, headers=headers, timeout=timeout, trust_env=False, verify=verify) as client:
        talk = Talk(invocation, client, model or _only_model(client), options, system)
        if prompt is None and not is_terminal(invocation.stdin):
            prompt = invocation.stdin.read().strip()
        if prompt is not None:
            if not prompt:
                raise usage('there is nothing to say; give a prompt, such as: sekisho chat --model sandbox/echo "hello"')
            talk.say(prompt)
        elif invocation.screen.is_text and invocation.asks:
            talk.converse()
        else:
            raise usage('give a prompt, such as: sekisho chat --model sandbox/echo "hello"')


def _gateway(invocation: Invocation) -> gateways.Gateway:
    """Where the running server takes calls."""
    with invocation.node() as node:
        return gateways.find(node)


def _key(invocation: Invocation, from_stdin: bool) -> Secret:
    if from_stdin:
        return invocation.secret("key", "--key-stdin")
    held = invocation.environ.get(API_KEY_VARIABLE, "").strip()
    if held:
        return _checked(Secret(held))
    if not invocation.asks:
        raise usage(
            f"a key is needed: set {API_KEY_VARIABLE}, or pipe it in with --key-stdin; make one with: sekisho api-keys create --label me"
        )
    return invocation.secret("key", "--key-stdin")


def _checked(key: Secret) -> Secret:
    """A key that can stand in a header; raises CommandError."""
    text = key.reveal()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise usage(f"{API_KEY_VARIABLE} holds characters that no key has; copy the key again, it begins with sk-sek-")
    return key


def _only_model(client: "httpx.Client") -> str:
    """The one model that the key may use; raises CommandError that names them where there are several."""
    with _translated(client):
        response = client.get("/v1/models")
    if not response.is_success:
        raise _refusal(response.status_code, response.content)
    try:
        names = sorted(str(each["id"]) for each in response.json()["data"])
    except (ValueError, KeyError, TypeError):
        raise _no_answer("list of models") from None
    if len(names) == 1:
        return names[0]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    raise usage(f"name a model with --model; this key may use: {shown}" if names else "this key may use no model; see: sekisho models list")


@contextmanager
def _translated(client: "httpx.Client") -> Iterator[None]:
    """Turns failures of the connection into ours."""
    import httpx

    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise CommandError("GATEWAY_UNREACHABLE", f"no gateway answers on {client.base_url}; start it with: sekisho serve") from error
    except httpx.TimeoutException as error:
        raise CommandError("TIMEOUT", f"the model said nothing for {SILENCE_SECONDS:.0f} s; see: sekisho calls list --limit 1") from error
    except httpx.TransportError as error:
        raise CommandError("STREAM_CUT", f"the gateway cut the answer short ({error}); see: sekisho calls list --limit 1") from error


def _refusal(status: int, body: bytes) -> CommandError:
    """What the gateway says in its error body (OpenAI's shape)."""
    try:
        error = json.loads(body)["error"]
        code, message = str(error.get("code") or error.get("type") or f"HTTP_{status}"), str(error["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message = f"HTTP_{status}", f"the gateway answered {status}"
    return CommandError(code.upper().replace("-", "_"), message, EXIT_INTERNAL if status == 500 else EXIT_USER)


def _no_answer(what: str) -> CommandError:
    return CommandError("ANSWER_INVALID", f"the answer is no {what}; is this the address of a gateway?")


def events(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The data of server-sent events, one after the other; one that is not ended is dropped. Raises CommandError."""
    splitter = sse.Splitter(MOST_EVENT_BYTES)
    for piece in pieces:
        try:
            whole = splitter.feed(piece)
        except sse.EventTooLargeError:
            raise CommandError("STREAM_INVALID", "the gateway sent an event without an end; see: sekisho calls list --limit 1") from None
        yield from (data for event in sse.split(whole) if (data := sse.data_of(event)))


class Talk:
    """One conversation: what was said so far, and how it goes on."""

    def __init__(self, invocation: Invocation, client: "httpx.Client", model: str, options: dict[str, Any], system: str | None) -> None:
        self._invocation = invocation
        self._screen = invocation.screen
        self._client = client
        self._model = model
        self._options = options
        self._messages: list[dict[str, str]] = [] if system is None else [{"role": "system", "content": system}]

    def converse(self) -> None:
        """Ask and answer until the end of input; an answer may be cut off with Ctrl-C."""
        with suppress(ImportError):
            import readline  # noqa: F401 (gives the prompt a history and editing)
        self._screen.note(f"talking to {self._model}; end with Ctrl-D", style="dim")
        while True:
            try:
                prompt = input("> ").strip()
            except (EOFError, KeyboardInterrupt):
                self._screen.stream("\n")
                return
            if not prompt:
                continue
            before = len(self._messages)
            try:
                self.say(prompt)
            except KeyboardInterrupt:
                self._screen.stream("\n")
                del self._messages[before:]
            except CommandError as failure:
                self._screen.failure(failure)
                del self._messages[before:]

    def say(self, prompt: str) -> None:
        """Say something and print the answer; raises CommandError."""
        self._messages.append({"role": "user", "content": prompt})
        answer = self._streamed() if self._screen.is_text else self._whole()
        self._messages.append({"role": "assistant", "content": answer})

    def _body(self, **more: Any) -> dict[str, Any]:
        return {"model": self._model, "messages": self._messages, **self._options, **more}

    def _whole(self) -> str:
        """Ask for the answer in one piece and print it as the result."""
        began = clock.monotonic()
        with _translated(self._client):
            response = self._client.post("/v1/chat/completions", json=self._body())
        if not response.is_success:
            raise _refusal(response.status_code, response.content)
        try:
            document = response.json()
            choice = document["choices"][0]
            content = str(choice["message"].get("content") or "")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise _no_answer("chat completion") from None
        data = {
            "model": document.get("model") or self._model,
            "content": content,
            "finish_reason": choice.get("finish_reason"),
            "usage": document.get("usage"),
            "request_id": response.headers.get("x-request-id"),
            "duration_ms": round((clock.monotonic() - began) * 1000, 1),
        }
        self._screen.result(data, lambda console: console.print(content))
        return content

    def _streamed(self) -> str:
        """Ask for the answer piece by piece and print each as it comes."""
        began = clock.monotonic()
        body = self._body(stream=True, stream_options={"include_usage": True})
        said: list[str] = []
        ended = False
        counts: dict[str, Any] | None = None
        try:
            with ExitStack() as waiting, _translated(self._client):
                waiting.enter_context(self._screen.working(f"waiting for {self._model}"))
                with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
                    if not response.is_success:
                        raise _refusal(response.status_code, response.read())
                    for event in events(response.iter_bytes()):
                        if event == b"[DONE]":
                            ended = True
                            break
                        text, more = _piece(event, response.status_code)
                        counts = more or counts
                        if text:
                            waiting.close()
                            said.append(text)
                            self._screen.stream(text)
        finally:
            if said and not said[-1].endswith("\n"):
                self._screen.stream("\n")
        if not ended:
            raise CommandError("STREAM_CUT", "the answer ended before its end; see: sekisho calls list --limit 1")
        if is_terminal(self._invocation.stdin):
            self._screen.note(_summary(counts, clock.monotonic() - began), style="dim")
        return "".join(said)


def _piece(event: bytes, status: int) -> tuple[str, dict[str, Any] | None]:
    """The text and the usage in one event of a stream; raises CommandError where it is an error."""
    try:
        document = json.loads(event)
    except ValueError:
        raise CommandError("STREAM_INVALID", "the gateway sent an event that is not JSON; see: sekisho calls list --limit 1") from None
    if not isinstance(document, dict) or document.get("error"):
        raise _refusal(status, event)
    choices = document.get("choices") or [{}]
    text = (choices[0].get("delta") or {}).get("content") or ""
    return str(text).replace("\r\n", "\n"), document.get("usage")


def _summary(counts: dict[str, Any] | None, seconds: float) -> str:
    words = [figures.duration_ms(seconds * 1000)]
    if counts:
        words.insert(0, f"{figures.count(counts.get('prompt_tokens'))} tokens in, {figures.count(counts.get('completion_tokens'))} out")
    return " · ".join(words)
