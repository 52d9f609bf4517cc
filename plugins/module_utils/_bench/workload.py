# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked: prompts and lengths from a seed, or from a file. Pure; the same seed asks the same.

Without the model's tokenizer the length of a prompt can only be aimed at: common short English words are one token
each for most models, and ``tokens_per_word`` corrects that. What counts in a result is what the server says it was.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .spec import Entry, Lengths, Workload

__all__ = ["Item", "Prompts", "draw_length", "read_entries"]

_WORDS = """
time year people way day man thing woman life child world school state family student group country problem
hand part place case week company system program question work number night point home water room mother
area money story fact month lot right study book eye job word business issue side kind head house service
friend father power hour game line end member law car city name team minute idea body back parent face level
office door health person
"""
# A prompt is a piece of one long random text, so that making one costs a copy. The first words of each are its own:
# the prefix cache of a server must not find in one request what another has left.
_TEXT_WORDS = 65536
_OWN_WORDS = 8
# A trace with hash ids (the Mooncake format) gives one to each block of so many tokens of a prompt.
_HASH_BLOCK_TOKENS = 512


class Item(NamedTuple):
    """One request to make: its number, the prompt as JSON (messages, or a text), and how many tokens to ask for."""

    number: int
    prompt_json: bytes
    max_tokens: int


def draw_length(lengths: Lengths, source: random.Random) -> int:
    """Return one length in tokens."""
    if lengths.distribution == "uniform":
        return source.randint(lengths.min_tokens, lengths.max_tokens)
    if lengths.distribution == "lognormal":
        # The mean of a log-normal distribution is exp(mu + sigma^2 / 2).
        mu = math.log(lengths.mean_tokens) - lengths.sigma**2 / 2
        return min(max(round(source.lognormvariate(mu, lengths.sigma)), lengths.min_tokens), lengths.max_tokens)
    return round(lengths.mean_tokens)


def _source(seed: str) -> random.Random:
    """Return draws that a seed repeats; no secret depends on them."""
    return random.Random(seed)  # noqa: S311 - repeatable on purpose


class Prompts:
    """Makes the requests of a run; ``entries`` are those of the workload's file, if it has one."""

    def __init__(self, workload: Workload, *, chat: bool, entries: Sequence[Entry] = ()) -> None:
        self._workload, self._chat, self._entries = workload, chat, entries
        self._text = _Text(_source(f"{workload.seed}/text"))
        self._shared: dict[str, bytes] = {}

    def items(self, phase: str) -> Iterator[Item]:
        """Yield requests without end. Phases ask differently, or the second would find the first in the cache."""
        source = _source(f"{self._workload.seed}/{phase}")
        entries = self._entries
        # The order of a trace is its meaning; of other files each phase begins at a place of its own.
        timed = bool(entries) and entries[0].time_seconds is not None
        begin = 0 if timed or not entries else source.randrange(len(entries))
        for index in itertools.count():
            yield self._item(index, entries[(begin + index) % len(entries)] if entries else None, source)

    def _item(self, index: int, entry: Entry | None, source: random.Random) -> Item:
        output = entry.output_tokens if entry and entry.output_tokens else self._draw_output(source)
        if entry and entry.messages is not None:
            # A plain completion of a conversation has no template: its contents follow each other.
            value: Any = entry.messages
            if not self._chat:
                value = "\n".join(str(message.get("content") or "") for message in entry.messages)
            return Item(index, json.dumps(value).encode(), output)
        if entry and entry.prompt is not None:
            return Item(index, self._wrap(json.dumps(entry.prompt).encode()), output)
        tokens = entry.input_tokens if entry and entry.input_tokens else None
        if tokens is None:
            tokens = draw_length(self._workload.input_lengths, source)
        words = self._prompt(tokens, entry.hash_ids if entry else (), source)
        return Item(index, self._wrap(b'"' + words + b'"'), output)

    def _draw_output(self, source: random.Random) -> int:
        return draw_length(self._workload.output_lengths, source)

    def _prompt(self, tokens: int, hash_ids: Sequence[int], source: random.Random) -> bytes:
        parts = []
        left = self._words(tokens)
        if hash_ids:
            # The last block is the request's own part, which fills up to the length.
            each = self._words(_HASH_BLOCK_TOKENS)
            parts = [self._part(f"hash/{number}", each) for number in hash_ids[:-1]]
            left = max(left - each * len(parts), 1)
        elif (prefix := self._workload.prefix) is not None:
            parts = [self._part(f"prefix/{source.randrange(prefix.groups)}", self._words(prefix.tokens))]
        return b" ".join([*parts, self._text.own(source, left)])

    def _words(self, tokens: int) -> int:
        return max(round(tokens / self._workload.tokens_per_word), 1)

    def _part(self, name: str, words: int) -> bytes:
        """Return a part that several requests share."""
        if name not in self._shared:
            self._shared[name] = self._text.own(_source(f"{self._workload.seed}/{name}"), words)
        return self._shared[name]

    def _wrap(self, quoted: bytes) -> bytes:
        return b'[{"role":"user","content":' + quoted + b"}]" if self._chat else quoted


class _Text:
    """A long random text, and where its words begin."""

    def __init__(self, source: random.Random) -> None:
        self._vocabulary = _WORDS.split()
        words = [word.encode() for word in source.choices(self._vocabulary, k=_TEXT_WORDS)]
        self._text = b" ".join(words)
        self._starts = [0]
        for word in words:
            self._starts.append(self._starts[-1] + len(word) + 1)

    def own(self, source: random.Random, count: int) -> bytes:
        """Return ``count`` words: first ones that are drawn, then pieces of the text."""
        parts = [" ".join(source.choices(self._vocabulary, k=min(count, _OWN_WORDS))).encode()]
        left = count - _OWN_WORDS
        while left > 0:
            begin = source.randrange(_TEXT_WORDS)
            end = min(begin + left, _TEXT_WORDS)
            parts.append(self._text[self._starts[begin] : self._starts[end] - 1])
            left -= end - begin
        return b" ".join(parts)


def read_entries(content: str) -> tuple[Entry, ...]:
    """Return the entries of a file: a JSON list, or one JSON object per line; ``ValueError`` names the entry at fault.

    Known forms: ShareGPT (``conversations`` with ``from`` and ``value``), ``messages``, ``prompt``, and traces with
    ``time_seconds`` (or ``timestamp`` in milliseconds, as in Mooncake's), ``input_tokens`` (``input_length``) and
    ``output_tokens`` (``output_length``), and ``hash_ids``.
    """
    stripped = content.lstrip()
    if stripped.startswith("["):
        raw = json.loads(stripped)
    else:
        raw = [json.loads(line) for line in content.splitlines() if line.strip()]
    if not raw:
        raise ValueError("the file has no entry")
    entries = tuple(_read_entry(number, item) for number, item in enumerate(raw))
    times = [entry.time_seconds for entry in entries]
    given = [time for time in times if time is not None]
    if given and len(given) != len(times):
        raise ValueError(f"{len(times) - len(given)} of {len(times)} entries have no time, the others have one")
    if given != sorted(given):
        raise ValueError("the times of the entries are not in order")
    return entries


def _read_entry(number: int, item: Any) -> Entry:
    if not isinstance(item, dict):
        raise ValueError(f"entry {number} is no mapping")
    try:
        messages, output = item.get("messages"), _first(item, "output_tokens", "output_length")
        if messages is None and item.get("conversations"):
            messages = _read_conversation(item["conversations"])
        time, stamp = item.get("time_seconds"), item.get("timestamp")
        entry = Entry(
            messages=messages,
            prompt=item.get("prompt"),
            input_tokens=_first(item, "input_tokens", "input_length"),
            output_tokens=output,
            time_seconds=float(time) if time is not None else float(stamp) / 1000 if stamp is not None else None,
            hash_ids=tuple(int(each) for each in item.get("hash_ids") or ()),
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"entry {number} cannot be read: {error}") from None
    if entry.messages is None and not isinstance(entry.prompt, str) and entry.input_tokens is None:
        raise ValueError(f"entry {number} has neither conversations, messages, prompt nor input_tokens")
    if entry.time_seconds is not None and not 0 <= entry.time_seconds < math.inf:
        raise ValueError(f"entry {number} has the time {entry.time_seconds} s")
    return entry


def _first(item: dict[str, Any], *keys: str) -> int | None:
    for key in keys:
        if item.get(key) is not None:
            value = int(item[key])
            if value < 1:
                raise ValueError(f"{key} is {value}, allowed: 1 or more")
            return value
    return None


def _read_conversation(turns: Any) -> list[dict[str, str]]:
    """Return the messages up to the first answer: that is what is asked."""
    roles = {"human": "user", "user": "user", "system": "system"}
    messages = []
    for turn in turns:
        role = roles.get(turn["from"])
        if role is None:
            break
        messages.append({"role": role, "content": str(turn["value"])})
    if not messages:
        raise ValueError("the conversation does not begin with a question")
    return messages
