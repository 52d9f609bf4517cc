# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines by which the client speaks: progress, and a result that is complete or missing.

A log may lose lines, be cut, or hold words of others in between. So the result goes compressed, in numbered parts,
closed by a line with their number and the SHA-256 of the whole; whoever reads it gets exactly what was written, or
nothing. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable
from typing import Any

__all__ = ["ERROR", "PROGRESS", "decode_error", "decode_progress", "decode_result", "encode_error", "encode_result"]

PROGRESS = "LLMOPS-BENCH PROGRESS "
RESULT = "LLMOPS-BENCH RESULT "
END = "LLMOPS-BENCH END "
ERROR = "LLMOPS-BENCH ERROR "
# The container runtime cuts lines at 16 KiB and joins them again; nobody needs to rely on that.
_PART_CHARACTERS = 8 * 1024
_RESULT_BYTES_MAX = 256 * 1024 * 1024


def encode_progress(progress: dict[str, Any]) -> str:
    """Return one line."""
    return PROGRESS + json.dumps(progress)


def encode_error(problems: Iterable[str]) -> str:
    """Return one line that says why there is no result."""
    return ERROR + json.dumps(list(problems))


def encode_result(result: dict[str, Any]) -> list[str]:
    """Return the lines of a result."""
    content = json.dumps(result, allow_nan=False, separators=(",", ":")).encode()
    text = base64.b64encode(zlib.compress(content, 6)).decode("ascii")
    parts = [text[begin : begin + _PART_CHARACTERS] for begin in range(0, len(text), _PART_CHARACTERS)]
    lines = [f"{RESULT}{number} {part}" for number, part in enumerate(parts)]
    return [*lines, f"{END}{len(parts)} {hashlib.sha256(content).hexdigest()}"]


def decode_result(lines: Iterable[str]) -> dict[str, Any] | None:
    """Return the result that stands in a log; None where it is not whole."""
    parts: dict[int, str] = {}
    end: list[str] = []
    for line in lines:
        if line.startswith(RESULT):
            number, _blank, part = line[len(RESULT) :].strip().partition(" ")
            if number.isdigit():
                parts[int(number)] = part
        elif line.startswith(END):
            end = line[len(END) :].split()
    if len(end) != 2 or not end[0].isdigit() or sorted(parts) != list(range(int(end[0]))):
        return None
    try:
        packed = base64.b64decode("".join(parts[number] for number in sorted(parts)), validate=True)
        # The log of a pod is not trusted either: a few bytes can unpack to gigabytes.
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(packed, _RESULT_BYTES_MAX)
        if not unpacker.eof or hashlib.sha256(content).hexdigest() != end[1]:
            return None
        result = json.loads(content)
    except (ValueError, zlib.error):
        return None
    return result if isinstance(result, dict) else None


def decode_progress(lines: Iterable[str]) -> dict[str, Any] | None:
    """Return the last progress that can be read."""
    found: dict[str, Any] | None = _last(lines, PROGRESS, dict)
    return found


def decode_error(lines: Iterable[str]) -> list[str] | None:
    """Return why there is no result, in the client's words."""
    found = _last(lines, ERROR, list)
    return [str(each) for each in found] if found is not None else None


def _last(lines: Iterable[str], mark: str, kind: type) -> Any:
    found = None
    for line in lines:
        if line.startswith(mark):
            try:
                value = json.loads(line[len(mark) :])
            except ValueError:
                continue
            found = value if isinstance(value, kind) else found
    return found
