# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about versions of the engine: from JSON, from and to the data files of the collection. Pure functions.

A table says which names each version has: ``{version: names}``. JSON and data files write it as ranges over the sorted
versions: a name is there from ``since`` (None: from the first version) until before ``removed_in``.

The JSON of ``add_engine_version.py --facts``::

    {
      "versions_read": ["0.31.0", "0.32.0"],
      "flags": {"--dtype": {"since": null}, "--new": {"since": "0.32.0"}, "--old": {"removed_in": "0.32.0"}},
      "env": {"VLLM_API_KEY": {"since": null}},
      "quantization": {"0.31.0": ["fp8"], "0.32.0": ["fp8", "mxfp4"]},
      "kv_cache_dtype": {"0.31.0": ["auto"], "0.32.0": ["auto"]}
    }

``since: null``, or none, means: already in the first of ``versions_read``.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["TABLES", "VERSIONS", "compare", "merge", "read_blocks", "read_json", "version_key", "write_blocks"]

Table = dict[str, frozenset[str]]
Facts = dict[str, Table]

# Each table, and the file and the line that its block of text stands behind.
TABLES = {
    "flags": ("vllm_flags.py", "FLAGS = "),
    "env": ("vllm_environment.py", "VARIABLES = "),
    "quantization": ("vllm_choices.py", '    "quantization": '),
    "kv_cache_dtype": ("vllm_choices.py", '    "kv_cache_dtype": '),
}
VERSIONS = ("vllm_flags.py", "VERSIONS = ")
_RELEASE = re.compile(r"(\d+(?:\.\d+){1,3})(?:\.post(\d+))?")
_LINE_LENGTH = 120


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are sorted by; ValueError for anything but a release (``0.10.1.1``, ``0.8.5.post1``)."""
    match = _RELEASE.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is not a release of vLLM such as 0.18.0 or 0.8.5.post1")
    numbers = [int(number) for number in match[1].split(".")]
    return (*numbers, *[0] * (4 - len(numbers)), int(match[2] or 0))


def _expand(ranges: Iterable[tuple[str, str | None, str | None]], versions: Iterable[str]) -> Table:
    """Return the names of each version from ranges (name, since, removed in)."""
    keyed = [
        (name, version_key(since) if since else (), version_key(removed) if removed else None)
        for name, since, removed in ranges
    ]
    return {
        version: frozenset(
            name
            for name, since, removed in keyed
            if since <= version_key(version) and (removed is None or version_key(version) < removed)
        )
        for version in versions
    }


def _compress(table: Table) -> list[str]:
    """Return a line a range, ``name [since|-] [removed in]``, sorted by name."""
    versions = sorted(table, key=version_key)
    lines = []
    for name in sorted(frozenset().union(*table.values())):
        present = [name in table[version] for version in versions]
        # A range begins where the version before has not the name, and ends where the next has it no more.
        for index, version in enumerate(versions):
            if present[index] and (index == 0 or not present[index - 1]):
                rest = present[index:]
                removed = versions[index + rest.index(False)] if False in rest else None
                since = version if index else None
                lines.append(_write_line(name, since, removed))
    return lines


def _write_line(name: str, since: str | None, removed: str | None) -> str:
    words = [name, since or "-", removed or "-"]
    while words[-1] == "-":
        words.pop()
    return " ".join(words)


# JSON


def read_json(document: Mapping[str, Any]) -> Facts:
    """Return the tables of a JSON document; ValueError, with the place, where it is not as described above."""
    versions = document.get("versions_read")
    if not isinstance(versions, list) or not versions:
        raise ValueError("versions_read: a list of the versions that were read is expected")
    facts: Facts = {}
    for name, prefix in (("flags", "--"), ("env", "VLLM_")):
        if name in document:
            facts[name] = _expand(_read_ranges(name, document[name], prefix), versions)
    for name in ("quantization", "kv_cache_dtype"):
        if name in document:
            facts[name] = {version: frozenset(values) for version, values in document[name].items()}
    if not facts:
        raise ValueError(f"none of {', '.join(TABLES)} is there")
    for table in facts.values():
        for version in table:
            version_key(version)
    return facts


def _read_ranges(table: str, entries: Any, prefix: str) -> list[tuple[str, str | None, str | None]]:
    if not isinstance(entries, dict):
        raise ValueError(f"{table}: a map of names to {{since, removed_in}} is expected")
    ranges = []
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not set(entry) <= {"since", "removed_in"}:
            raise ValueError(f"{table}.{name}: {entry!r} is not {{since, removed_in}}")
        # Variables of other libraries, which vLLM reads too, are none of ours to check.
        if name.startswith(prefix):
            ranges.append((name[len(prefix) :], entry.get("since"), entry.get("removed_in")))
    return ranges


# The data files


def _block(prefix: str) -> re.Pattern[str]:
    return re.compile(rf'^({re.escape(prefix)}"""\n)(.*?)^(""")', re.MULTILINE | re.DOTALL)


def _find_block(sources: Mapping[str, str], place: tuple[str, str]) -> str:
    file, prefix = place
    match = _block(prefix).search(sources[file])
    if match is None:
        raise ValueError(f'{file}: no line {prefix}""" is there')
    return match[2]


def _read_line(line: str) -> tuple[str, str | None, str | None]:
    name, since, removed = [*line.split(), "-", "-"][:3]
    return name, since if since != "-" else None, removed if removed != "-" else None


def read_blocks(sources: Mapping[str, str]) -> Facts:
    """Return the tables in the texts of the data files (``{file name: text}``)."""
    versions = _find_block(sources, VERSIONS).split()
    facts: Facts = {}
    for name, place in TABLES.items():
        facts[name] = _expand(map(_read_line, _find_block(sources, place).splitlines()), versions)
    return facts


def write_blocks(sources: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """Return the texts of the data files with these tables in them; all else in the texts stays."""
    versions = sorted(facts["flags"], key=version_key)
    wrapped = textwrap.wrap(" ".join(versions), _LINE_LENGTH)
    blocks = {VERSIONS: wrapped, **{place: _compress(facts[name]) for name, place in TABLES.items()}}
    texts = dict(sources)
    for (file, prefix), lines in blocks.items():
        texts[file] = _block(prefix).sub(_replacement(lines), texts[file], count=1)
    return texts


def _replacement(lines: list[str]) -> Callable[[re.Match[str]], str]:
    return lambda match: match[1] + "".join(f"{line}\n" for line in lines) + match[3]


# Adding versions


def merge(stored: Facts, new: Facts) -> Facts:
    """Return the stored tables with new versions added, and with versions that are there already replaced.

    ValueError where a version would be added to some tables only: what is not known would look as if it were gone.
    """
    known = set(stored["flags"])
    for version in sorted({version for table in new.values() for version in table} - known, key=version_key):
        missing = [name for name in stored if version not in new.get(name, {})]
        if missing:
            raise ValueError(f"vLLM {version} is new here, and the facts about it lack {', '.join(missing)}")
    return {name: {**stored[name], **new.get(name, {})} for name in stored}


def compare(before: Facts, after: Facts) -> list[str]:
    """Return a sentence for each version of each table that differs from what was there."""
    sentences = []
    for name, table in after.items():
        for version in sorted(table, key=version_key):
            if version not in before[name]:
                sentences.append(f"{name}: {version} is new, with {len(table[version])} names")
            elif table[version] != before[name][version]:
                more = sorted(table[version] - before[name][version])
                less = sorted(before[name][version] - table[version])
                sentences.append(f"{name}: {version} has also {more or 'nothing'} and has not {less or 'nothing'}")
    return sentences
