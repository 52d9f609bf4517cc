# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for vLLM's OpenAI server: no model, adjustable times, faults on demand.

This is NOT an engine. It exists for tests that need many pods at once, or a fault that vLLM does not produce when
asked. The real path is tested with real vLLM in ``tests/e2e/`` (deploy, gate, rolling update), and
``tests/e2e/test_standin_contract.py`` holds the answers of this file against those of the real server.

Standard library only (Python 3.9 or newer), so that a ConfigMap can carry this folder into any image that has Python:
``python3 engine.py serve MODEL --served-model-name chat --port 8000 --middleware mod.Class``. Flags that it does not
know are ignored, as they only concern a real engine. It is a small ASGI server, so that ``--middleware`` works.

Times and faults are the fields of ``Settings``: environment variables at the start (``STANDIN_TTFT_SECONDS=0.2``), and
``POST /standin`` with a JSON object while it runs. What vLLM does at SIGTERM is imitated: ``--shutdown-timeout 0``
aborts what runs; with N seconds, running requests may finish, new ones get HTTP 500, and ``/health`` stays 200.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import hashlib
import importlib
import json
import os
import random
import signal
import ssl
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping, MutableMapping
from typing import Any, Callable

from standin_http import App, Message, Receive, Send, Server
from standin_metrics import Metrics

DRAINING = "cannot schedule new futures after shutdown"
ENGINE_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."
WORDS = ("the", "answer", "means", "nothing", "but", "is", "always", "one", "and", "same", "for", "a", "prompt")


@dataclasses.dataclass
class Settings:
    """Times (seconds) and faults; the defaults are a healthy server."""

    version: str = "0.32.0"
    ttft_seconds: float = 0.02
    itl_seconds: float = 0.005
    start_delay_seconds: float = 0.0
    start_exit_code: int = -1  # >= 0: end with this code instead of serving
    crash_after_seconds: float = -1.0  # >= 0: serve for so long, then end with crash_exit_code
    crash_exit_code: int = 1
    fill_shm_bytes: int = -1  # >= 0: write so much to shm_path (0: until it is full), then end with code 1
    shm_path: str = "/dev/shm"
    oom: bool = False  # take memory at the start until the kernel ends the process
    answer_tokens: int = 16  # where an answer ends by itself ("stop"), unless ignore_eos or max_tokens say otherwise
    answer_salt: str = ""  # another salt gives other words: a model of another revision
    frozen: bool = False  # /health 200, no token ever comes
    dead: bool = False  # /health 503, completions 500
    model_id: str = ""  # answer to this name in place of --served-model-name
    truncate_after_tokens: int = -1  # >= 0: cut the connection after so many tokens
    finish_reason: str = ""  # abort or error in place of stop or length
    missing_usage: bool = False
    error_share: float = 0.0  # share of completions answered with HTTP 500
    ignore_sigterm: bool = False
    teardown_seconds: float = 0.0  # time between the last answer and the end of the process (real vLLM: about 6)

    def update(self, values: Mapping[str, Any]) -> None:
        """Set fields by name; text is converted to the field's type. Unknown names raise ``ValueError``."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, value in values.items():
            if name not in defaults:
                raise ValueError(f"unknown setting {name!r}; known: {', '.join(sorted(defaults))}")
            kind: Any = type(defaults[name])
            if kind is bool and isinstance(value, str):
                value = value.lower() in ("1", "true", "yes")
            setattr(self, name, kind(value))

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read ``STANDIN_<FIELD>`` variables."""
        settings = cls()
        settings.update({k[len("STANDIN_") :].lower(): v for k, v in env.items() if k.startswith("STANDIN_")})
        return settings


class RefusedError(Exception):
    """A request that is answered with an error: HTTP status, vLLM's error type, message."""

    def __init__(self, status: int, kind: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": status}}


@dataclasses.dataclass
class Job:
    """One completion to produce: what the request asked for, with defaults filled in."""

    chat: bool
    model: str
    words: list[str]
    natural_end: bool
    prompt_tokens: int
    stream: bool
    include_usage: bool
    identity: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex[:16])
    created: int = dataclasses.field(default_factory=lambda: int(time.time()))


class Engine:
    """What would be the model: deterministic words at the set pace, and the state of the faults."""

    def __init__(self, names: list[str], root: str, max_model_len: int, fingerprint: str, settings: Settings) -> None:
        self.names = names
        self.root = root
        self.max_model_len = max_model_len
        self.fingerprint = fingerprint
        self.settings = settings
        self.metrics = Metrics(names[0])
        self.running = 0
        self.draining = False
        self.aborting = False
        self._random = random.Random(0)

    def served(self) -> list[str]:
        """Return the ids that the server answers to."""
        return [self.settings.model_id] if self.settings.model_id else self.names

    def accept(self, body: Mapping[str, Any], chat: bool) -> Job:
        """Check a request and return the job; raises ``RefusedError`` where vLLM (or a fault) would refuse."""
        settings = self.settings
        if self.draining:
            raise RefusedError(500, "InternalServerError", DRAINING)
        if settings.dead or self._random.random() < settings.error_share:
            raise RefusedError(500, "InternalServerError", ENGINE_DEAD)
        field = "messages" if chat else "prompt"
        if field not in body:
            raise RefusedError(400, "Bad Request", f"1 validation error: {field}: Field required", f"body.{field}")
        model = body.get("model") or self.served()[0]
        if model not in self.served():
            aliases = ", ".join(self.served())
            raise RefusedError(
                404, "NotFoundError", f"The model `{model}` does not exist. Valid aliases: {aliases}.", "model"
            )
        prompt = json.dumps(body[field], sort_keys=True)
        room = self.max_model_len - len(prompt.split())
        asked = body.get("max_completion_tokens") or body.get("max_tokens") or (room if chat else 16)
        if asked > self.max_model_len:
            text = f"max_tokens={asked} cannot be greater than max_model_len={self.max_model_len}."
            raise RefusedError(400, "BadRequestError", text, "max_tokens")
        endless = bool(body.get("ignore_eos"))
        count = asked if endless else min(asked, max(settings.answer_tokens, int(body.get("min_tokens") or 0)))
        seed = int(hashlib.sha256((settings.answer_salt + prompt).encode()).hexdigest(), 16)
        words = [" " + WORDS[(seed // (i + 1)) % len(WORDS)] for i in range(count)]
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return Job(chat, model, words, count < asked, len(prompt.split()) + 8, bool(body.get("stream")), usage)

    async def tokens(self, job: Job) -> AsyncIterator[tuple[str, str | None]]:
        """Yield each word with its finish reason (None before the last); raises ``ConnectionAbortedError`` to cut."""
        settings, metrics, started = self.settings, self.metrics, time.monotonic()
        self.running += 1
        reason: str | None = "abort"  # also when the client goes away in the middle
        try:
            metrics.counters["vllm:prompt_tokens_total"] += job.prompt_tokens
            metrics.counters["vllm:prefix_cache_queries_total"] += job.prompt_tokens
            metrics.observe("vllm:request_queue_time_seconds", 0.0)
            last = started
            for index, word in enumerate(job.words):
                await asyncio.sleep(settings.itl_seconds if index else settings.ttft_seconds)
                while settings.frozen:
                    await asyncio.sleep(0.05)
                if settings.truncate_after_tokens == index:
                    raise ConnectionAbortedError("cut on purpose")
                now = time.monotonic()
                metrics.observe(f"vllm:{'inter_token_latency' if index else 'time_to_first_token'}_seconds", now - last)
                metrics.observe("vllm:iteration_tokens_total", 1 if index else job.prompt_tokens)
                metrics.counters["vllm:generation_tokens_total"] += 1
                last = now
                if self.aborting:
                    yield "", "abort"
                    return
                final = settings.finish_reason or ("stop" if job.natural_end else "length")
                reason = final if index == len(job.words) - 1 else "abort"
                yield word, (final if index == len(job.words) - 1 else None)
        finally:
            self.running -= 1
            metrics.finished[reason if reason in metrics.finished else "error"] += 1
            metrics.observe("vllm:e2e_request_latency_seconds", time.monotonic() - started)


class OpenAI:
    """The ASGI application: vLLM's routes over an ``Engine``."""

    def __init__(self, engine: Engine, api_key: str = "") -> None:
        self._engine = engine
        self._api_key = api_key

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        started: list[int] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message["status"])
            await send(message)

        try:
            await self._route(method, path, scope, receive, noting)
        except RefusedError as refused:
            await _respond(noting, refused.status, refused.body)
        finally:
            key = (path, method, f"{started[0] // 100}xx" if started else "5xx")
            self._engine.metrics.http[key] = self._engine.metrics.http.get(key, 0) + 1

    async def _route(self, method: str, path: str, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        key = dict(scope["headers"]).get(b"authorization", b"")
        if path.startswith("/v1") and self._api_key and key != f"Bearer {self._api_key}".encode():
            await _respond(send, 401, {"error": "Unauthorized"})
        elif path not in ("/v1/chat/completions", "/v1/completions", "/standin"):
            await self._page(path, send)
        elif method != "POST":
            await _respond(send, 405, {"detail": "Method Not Allowed"})
        else:
            body = _parse(bytes((await receive()).get("body", b"")))
            if path == "/standin":
                self._engine.settings.update(body)
                await _respond(send, 200, dataclasses.asdict(self._engine.settings))
            else:
                await self._complete(self._engine.accept(body, "chat" in path), send)

    async def _page(self, path: str, send: Send) -> None:
        engine = self._engine
        pages: dict[str, Callable[[], Any]] = {
            "/v1/models": self._models,
            "/version": lambda: {"version": engine.settings.version},
            "/metrics": lambda: engine.metrics.render(engine.running),
            "/health": lambda: "",
        }
        if path not in pages:
            await _respond(send, 404, {"detail": "Not Found"})
        else:
            await _respond(send, 503 if path == "/health" and engine.settings.dead else 200, pages[path]())

    def _models(self) -> dict[str, Any]:
        card = {"object": "model", "created": int(time.time()), "owned_by": "vllm", "root": self._engine.root}
        length = self._engine.max_model_len
        data = [{"id": name, **card, "parent": None, "max_model_len": length} for name in self._engine.served()]
        return {"object": "list", "data": data}

    async def _complete(self, job: Job, send: Send) -> None:
        words: list[str] = []
        reason: str | None = None
        if job.stream:
            await send({"type": "http.response.start", "status": 200, "headers": [_type("text/event-stream")]})
            if job.chat:
                await self._event(send, job, {"delta": {"role": "assistant", "content": ""}}, None)
        async for word, reason in self._engine.tokens(job):
            words.append(word)
            if job.stream:
                await self._event(send, job, {"delta": {"content": word}} if job.chat else {"text": word}, reason)
        total = job.prompt_tokens + len(words)
        usage = {"prompt_tokens": job.prompt_tokens, "total_tokens": total, "completion_tokens": len(words)}
        with_usage = {} if self._engine.settings.missing_usage else {"usage": usage}
        if not job.stream:
            text = "".join(words)
            content = {"message": {"role": "assistant", "content": text}} if job.chat else {"text": text}
            await _respond(send, 200, {**self._envelope(job, content, reason), **with_usage})
            return
        if job.include_usage and with_usage:
            await _part(send, b"data: " + _dump({**self._envelope(job, None, None), **with_usage}) + b"\n\n")
        await _part(send, b"data: [DONE]\n\n", more=False)

    def _envelope(self, job: Job, content: dict[str, Any] | None, reason: str | None) -> dict[str, Any]:
        kind = ("chat.completion" + ".chunk" * job.stream) if job.chat else "text_completion"
        choice = {"index": 0, "logprobs": None, "finish_reason": reason, **(content or {})}
        body = {"id": ("chatcmpl-" if job.chat else "cmpl-") + job.identity, "object": kind, "created": job.created}
        body.update(model=job.model, choices=[choice] if content is not None else [])
        # Like vLLM, a stream names the fingerprint only in its last message.
        if not job.stream or content is None or (reason and not job.include_usage):
            body["system_fingerprint"] = self._engine.fingerprint
        return body

    async def _event(self, send: Send, job: Job, content: dict[str, Any], reason: str | None) -> None:
        await _part(send, b"data: " + _dump(self._envelope(job, content, reason)) + b"\n\n")


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _type(value: str) -> tuple[bytes, bytes]:
    return (b"content-type", value.encode())


def _parse(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError as error:
        raise RefusedError(400, "Bad Request", f"1 validation error: JSON decode error: {error}", "body") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "Bad Request", "1 validation error: the body must be an object", "body")
    return body


async def _part(send: Send, body: bytes, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _respond(send: Send, status: int, content: Any) -> None:
    body = content.encode() if isinstance(content, str) else _dump(content)
    kind = "text/plain; version=0.0.4; charset=utf-8" if isinstance(content, str) else "application/json"
    headers = [_type(kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await _part(send, body, more=False)


def log(text: str) -> None:
    """Print a line where vLLM logs."""
    print(f"INFO [standin] {text}", flush=True)


def start_faults(settings: Settings) -> None:
    """Do what must happen before the port opens: delay, crash, full shared memory, no memory."""
    log("this is a stand-in for vLLM: no model is loaded")
    time.sleep(settings.start_delay_seconds)
    if settings.fill_shm_bytes >= 0:
        wanted = settings.fill_shm_bytes or sys.maxsize
        try:
            with open(os.path.join(settings.shm_path, f"standin-{os.getpid()}"), "wb", buffering=0) as file:
                while file.tell() < wanted:
                    file.write(b"\0" * min(1 << 20, wanted - file.tell()))
        except OSError as error:
            log(f"OSError: {error}: {settings.shm_path}")
        raise SystemExit("RuntimeError: Engine core initialization failed. See root cause above.")
    held = []
    while settings.oom:
        held.append(b"\1" * (16 << 20))
    if settings.start_exit_code >= 0:
        log("RuntimeError: Engine core initialization failed. See root cause above.")
        raise SystemExit(settings.start_exit_code)


async def drain(engine: Engine, shutdown_timeout_seconds: float) -> None:
    """End like vLLM: refuse new requests with 500, let running ones finish for so long, then abort them."""
    engine.draining = True
    deadline = time.monotonic() + shutdown_timeout_seconds
    while engine.running and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    engine.aborting = True
    last = time.monotonic() + 1
    while engine.running and time.monotonic() < last:
        await asyncio.sleep(0.02)
    await asyncio.sleep(engine.settings.teardown_seconds)


async def serve(args: argparse.Namespace, settings: Settings) -> int:
    """Open the port and serve until a signal or a fault ends it; return the exit code."""
    names = args.served_model_name or [args.model]
    fingerprint = args.fingerprint_value or f"vllm-{settings.version}-standin0"
    engine = Engine(names, args.model, args.max_model_len, fingerprint, settings)
    app: App = OpenAI(engine, args.api_key or os.environ.get("VLLM_API_KEY", ""))
    for path in args.middleware:
        module, _rest, name = path.rpartition(".")
        app = getattr(importlib.import_module(module), name)(app)
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_signal() -> None:
        log("Shutting down")
        if not settings.ignore_sigterm and not ended.done():
            ended.set_result(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    context = None
    if args.ssl_certfile:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(args.ssl_certfile, args.ssl_keyfile)
    keep_alive_seconds = float(os.environ.get("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "5"))
    connection = Server(app, keep_alive_seconds).connection
    server = await asyncio.start_server(connection, args.host or "0.0.0.0", args.port, ssl=context, backlog=2048)
    log(f"serving {names} on port {args.port}")
    timeout = settings.crash_after_seconds if settings.crash_after_seconds >= 0 else None
    done, _rest = await asyncio.wait([ended], timeout=timeout)
    if not done:
        log(f"EngineDeadError: {ENGINE_DEAD}")
        return settings.crash_exit_code
    await drain(engine, args.shutdown_timeout)
    server.close()
    return ended.result()


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Parse vLLM's command line as far as a stand-in can mean it; the rest is named in the log."""
    parser = argparse.ArgumentParser(prog="engine.py", allow_abbrev=False)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--served-model-name", nargs="+", default=[])
    parser.add_argument("--host", default="")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--middleware", action="append", default=[])
    parser.add_argument("--shutdown-timeout", type=float, default=0.0)
    parser.add_argument("--max-model-len", type=int, default=4096)
    parser.add_argument("--api-key", default="")
    parser.add_argument("--ssl-certfile")
    parser.add_argument("--ssl-keyfile")
    parser.add_argument("--fingerprint-mode")
    parser.add_argument("--fingerprint-value", default="")
    args, rest = parser.parse_known_args(argv)
    if rest:
        log(f"ignored: {' '.join(rest)}")
    return args


if __name__ == "__main__":
    chosen = Settings.from_env(os.environ)
    parsed = parse_args(sys.argv[1:])
    start_faults(chosen)
    code = asyncio.run(serve(parsed, chosen))
    sys.stdout.flush()
    # Not sys.exit: connections that hang on purpose must not delay the end.
    os._exit(code)
