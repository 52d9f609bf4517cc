# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program, ``python -m``: settings as JSON from a file or standard input in, progress and the result out.

Exit code 0 with a whole result, whatever the server did; 3 with a partial one, as the run was ended early (SIGINT,
SIGTERM, ``limits.run_seconds_max``, nobody waits); 2 without any, and a line that says why.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from .reader import SettingsError
from .run import run_benchmark
from .settings import parse_settings
from .wire import encode_error, encode_progress, encode_result

__all__ = ["main"]

_ENDING = (signal.SIGINT, signal.SIGTERM)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _read(path: str) -> Any:
    if path == "-":
        return json.load(sys.stdin)
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(arguments: Sequence[str]) -> int:
    """Run with one argument, the path of the settings (``-``: standard input); return the exit code."""
    if len(arguments) != 1:
        _say(encode_error(["expected one argument: the path of the settings, or - for standard input"]))
        return 2
    try:
        settings = parse_settings(_read(arguments[0]))
        result = run_benchmark(settings, lambda progress: _say(encode_progress(progress)), signals=_ENDING)
    except SettingsError as error:
        _say(encode_error([f"{path}: {text}" for path, text in error.problems]))
        return 2
    except (OSError, ValueError) as error:
        _say(encode_error([str(error)]))
        return 2
    for line in encode_result(result):
        _say(line)
    if not result["partial"]:
        return 0
    time.sleep(settings.linger_seconds)
    return 3


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
