# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what the vLLM beside this interpreter knows, as the facts that ``add_engine_version.py`` takes.

Run by the Python of a vLLM environment: ``/path/to/venv/bin/python tools/ask_engine.py``. It asks the parser of
``vllm serve`` itself, so that flags of platform plug-ins are there too. The facts are the last line of the output,
behind ``MARK``, as vLLM may print while it is imported.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from typing import Any

MARK = "LLMOPS-ENGINE-FACTS "


def first(*places: str) -> Any:
    """Return the first of several ``module:name`` that this version has: vLLM moves its parts about."""
    for place in places:
        module, _colon, name = place.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise SystemExit(f"this vLLM has none of {', '.join(places)}: tell {os.path.basename(__file__)} where it is now")


def _serve_actions() -> list[argparse.Action]:
    parser_class = first("vllm.utils.argparse_utils:FlexibleArgumentParser", "vllm.utils:FlexibleArgumentParser")
    (command,) = first("vllm.entrypoints.cli.serve:cmd_init")()
    parser = command.subparser_init(parser_class().add_subparsers())
    actions: list[argparse.Action] = parser._actions  # noqa: SLF001 - argparse offers no other way
    return actions


def _flags(actions: list[argparse.Action]) -> list[str]:
    """Return the long flags, without ``--help`` and without the negatives of switches (``--no-x`` beside ``--x``)."""
    words = {word for action in actions for word in action.option_strings if word.startswith("--")}
    return sorted(word for word in words if word != "--help" and not _is_negative(word, words))


def _is_negative(word: str, words: set[str]) -> bool:
    return word.startswith("--no-") and "--" + word[len("--no-") :] in words


def _choices(actions: list[argparse.Action], flag: str) -> list[str]:
    (action,) = (action for action in actions if flag in action.option_strings)
    return [str(choice) for choice in action.choices or ()]


def ask() -> dict[str, Any]:
    """Return the facts of the installed version."""
    # What the parser offers must not depend on the machine: without this it looks for a GPU and may fail.
    os.environ.setdefault("VLLM_TARGET_DEVICE", "cpu")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    version = str(first("vllm.version:__version__")).partition("+")[0]
    actions = _serve_actions()
    return {
        "versions_read": [version],
        "flags": {flag: {"since": None} for flag in _flags(actions)},
        "env": {name: {"since": None} for name in sorted(first("vllm.envs:environment_variables"))},
        "quantization": {version: list(first("vllm.model_executor.layers.quantization:QUANTIZATION_METHODS"))},
        "kv_cache_dtype": {version: _choices(actions, "--kv-cache-dtype")},
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + MARK + json.dumps(ask()) + "\n")
