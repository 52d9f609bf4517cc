# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds a version of vLLM to what the collection knows about flags, choices and variables, or updates it.

    python3 tools/add_engine_version.py --python /path/to/venv/bin/python   ask the vLLM of that environment
    python3 tools/add_engine_version.py --facts FILE.json [FILE.json ...]   take facts (format: engine_facts.py)

With ``--check`` nothing is written and the exit status is 1 if something would be. Several files of facts make one
whole, so that flags, variables and choices may lie in files of their own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ask_engine import MARK
from engine_facts import TABLES, compare, merge, read_blocks, read_json, write_blocks

TOOLS = Path(__file__).resolve().parent
DATA = TOOLS.parent / "plugins" / "module_utils" / "_domain"
ASK_SECONDS_MAX = 300


def ask(python: str) -> dict[str, Any]:
    """Return the facts of the vLLM in the environment of an interpreter."""
    command = [python, str(TOOLS / "ask_engine.py")]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASK_SECONDS_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"cannot ask the vLLM of {python}: {error}") from error
    lines = [line for line in asked.stdout.splitlines() if line.startswith(MARK)]
    if asked.returncode or not lines:
        said = (asked.stderr or asked.stdout).strip()[-2000:]
        raise ValueError(f"the vLLM of {python} gave no facts (exit status {asked.returncode}); it said:\n{said}")
    facts: dict[str, Any] = json.loads(lines[-1][len(MARK) :])
    return facts


def read_files(files: Sequence[Path]) -> dict[str, Any]:
    """Return the documents of some files as one; ValueError where two contradict each other."""
    whole: dict[str, Any] = {}
    for file in files:
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"cannot read the facts in {file}: {error}") from error
        for name in ("versions_read", *TABLES):
            if name in document and whole.setdefault(name, document[name]) != document[name]:
                raise ValueError(f"{file}: its {name} differs from that of a file before it")
    return whole


def add(document: dict[str, Any], data: Path, *, check: bool) -> bool:
    """Bring the data files up to date and say what changes; return whether anything does."""
    sources = {file: (data / file).read_text(encoding="utf-8") for file, _prefix in TABLES.values()}
    stored = read_blocks(sources)
    merged = merge(stored, read_json(document))
    for sentence in compare(stored, merged):
        print(sentence)
    changed = {file: text for file, text in write_blocks(sources, merged).items() if text != sources[file]}
    for file, text in changed.items():
        print(f"{file}: {'would be written' if check else 'written'}")
        if not check:
            (data / file).write_text(text, encoding="utf-8")
    if not changed:
        print("the data files say the same already")
    return bool(changed)


def main(arguments: Sequence[str]) -> int:
    """Run the tool; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--python", help="the interpreter of an environment with vLLM")
    source.add_argument("--facts", nargs="+", type=Path, metavar="FILE", help="JSON files with facts")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data files")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something would change")
    options = parser.parse_args(arguments)
    try:
        document = ask(options.python) if options.python else read_files(options.facts)
        changed = add(document, options.data, check=options.check)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return int(options.check and changed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
