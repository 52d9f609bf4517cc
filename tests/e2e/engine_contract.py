# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the engine's environment: parses command lines as vLLM does and asks its HTTP application.

``python engine_contract.py`` takes a list of command lines (``[["MODEL", "--flag", ...], ...]``) as JSON on standard
input. Of the last one it builds the application, without an engine behind it. Prints behind ``MARK``: what the parser
made of each, which of its switches have no negative, and what the application answered before and while the drain file
was there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from ask_engine import first

MARK = "LLMOPS-ENGINE-CONTRACT "


def _parse(lines: list[list[str]]) -> tuple[list[argparse.Namespace], list[str]]:
    """Return what becomes of each command line, and the switches that have no negative."""
    parser = first("vllm.utils.argparse_utils:FlexibleArgumentParser")()
    (command,) = first("vllm.entrypoints.cli.serve:cmd_init")()
    actions = command.subparser_init(parser.add_subparsers())._actions
    plain = [action for action in actions if action.nargs == 0 and action.const is True and action.default is False]
    words = {word for action in plain for word in action.option_strings if word.startswith("--")}
    return [parser.parse_args(["serve", *line]) for line in lines], sorted(words)


async def _get(app: Any, path: str) -> dict[str, Any]:
    """Return status and Connection header of the application's answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    where = {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    peers = {"headers": [(b"host", b"engine")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000)}
    await app({**scope, **where, **peers}, receive, send)
    headers = dict(sent[0]["headers"])
    return {"status": sent[0]["status"], "connection": headers.get(b"connection", b"").decode()}


def _ask_application(options: argparse.Namespace) -> dict[str, Any]:
    app = first("vllm.entrypoints.launchers.app:build_app", "vllm.entrypoints.openai.api_server:build_app")(
        options, ("generate",)
    )
    before = asyncio.run(_get(app, "/version"))
    Path(os.environ["LLMOPS_DRAIN_FILE"]).touch()
    return {
        "before": before,
        "draining": asyncio.run(_get(app, "/version")),
        "health_draining": asyncio.run(_get(app, "/health")),
    }


if __name__ == "__main__":
    parsed, switches = _parse(json.load(sys.stdin))
    seen = {
        "switches": switches,
        "parsed": [{name: repr(value) for name, value in vars(options).items()} for options in parsed],
        "application": _ask_application(parsed[-1]),
    }
    sys.stdout.write("\n" + MARK + json.dumps(seen) + "\n")
