# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a request, and the API key that is in them and nowhere else."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import urlsplit

from .spec import Settings, Target

__all__ = ["RequestEncoder", "read_key"]

_KEY_CHARACTERS_MAX = 64 * 1024


def read_key(target: Target) -> str:
    """Return the API key of a target; ValueError where it is asked for and missing, or cannot stand in a header."""
    key = ""
    if target.api_key_file:
        try:
            with open(target.api_key_file, encoding="utf-8") as file:
                key = file.read(_KEY_CHARACTERS_MAX).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"target {target.name}: the API key cannot be read: {error}") from None
    elif target.api_key_env:
        key = os.environ.get(target.api_key_env, "")
    if (target.api_key_file or target.api_key_env) and not key:
        raise ValueError(f"target {target.name}: the API key ({target.api_key_file or target.api_key_env}) is empty")
    if any(not 32 < ord(sign) < 127 for sign in key):
        raise ValueError(f"target {target.name}: the API key has characters that a header cannot hold")
    return key


class RequestEncoder:
    """Makes requests to one target; all but the prompt and the length is the same in every request."""

    def __init__(self, target: Target, settings: Settings, key: str) -> None:
        parts = urlsplit(target.url)
        kind = "text/event-stream" if settings.stream else "application/json"
        path = "chat/completions" if settings.endpoint == "chat" else "completions"
        lines = [f"POST {parts.path}/v1/{path} HTTP/1.1", f"Host: {parts.netloc}", f"Accept: {kind}"]
        lines += ["Accept-Encoding: identity", "Content-Type: application/json", "User-Agent: llmops-bench"]
        if key:
            lines.append(f"Authorization: Bearer {key}")
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode("ascii")
        asking = [f"GET {parts.path}/v1/models HTTP/1.1", *(line for line in lines[1:] if line[:7] != "Content")]
        # The question for the models that are served.
        self.models = "\r\n".join([*asking, "", ""]).encode("ascii")
        self._field = b'{"messages":' if settings.endpoint == "chat" else b'{"prompt":'
        fields: dict[str, Any] = {"model": target.model, "stream": settings.stream}
        if settings.stream:
            fields["stream_options"] = {"include_usage": True}
        self._tail = b"," + json.dumps({**fields, **settings.body}).encode()[1:]

    def __call__(self, prompt_json: bytes, max_tokens: int) -> bytes:
        """Return head and body."""
        content = b'%s%s,"max_tokens":%d%s' % (self._field, prompt_json, max_tokens, self._tail)
        return b"%s%d\r\n\r\n%s" % (self._head, len(content), content)
