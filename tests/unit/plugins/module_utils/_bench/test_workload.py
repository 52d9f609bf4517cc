# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked and when: the same for a seed, with the lengths and rates that were wanted."""

from __future__ import annotations

import itertools
import json
import math
import random
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.arrivals import arrival_times, highest_rate
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.spec import (
    Bursts,
    Constant,
    Lengths,
    OpenLoad,
    Poisson,
    Prefix,
    Ramp,
    Trace,
    Workload,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.workload import (
    Item,
    Prompts,
    draw_length,
    read_entries,
)

FIXED = Lengths("fixed", 32, 0.5, 1, 32)


def times(load: OpenLoad, count: int, seed: str = "1") -> list[float]:
    return list(itertools.islice(arrival_times(load, seed), count))


def items(count: int = 3, phase: str = "a", file: str | None = None, chat: bool = True, **more: Any) -> list[Item]:
    workload = Workload(**{"seed": "1", "input_lengths": FIXED, "output_lengths": FIXED, **more})
    entries = read_entries(file) if file else ()
    return list(itertools.islice(Prompts(workload, chat=chat, entries=entries).items(phase), count))


def prompt(item: Item) -> str:
    (message,) = json.loads(item.prompt_json)
    return str(message["content"])


# Arrivals


@pytest.mark.parametrize("load", [Poisson(10), Constant(10), Ramp(5, 20, 10), Bursts(2, 50, 1, 10)])
def test_arrivals_are_ordered_and_the_same_for_a_seed(load: OpenLoad) -> None:
    assert times(load, 200) == times(load, 200)
    assert times(load, 200) == sorted(times(load, 200))


def test_another_seed_draws_other_arrivals() -> None:
    assert times(Poisson(10), 9, "1") != times(Poisson(10), 9, "2")


def test_poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() -> None:
    found = times(Poisson(50), 20_000)
    gaps = [after - before for before, after in zip([0.0, *found], found)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(1 / 50, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.03)


def test_constant_arrivals_do_not_add_up_rounding() -> None:
    assert times(Constant(3), 4) == [0.0, 1 / 3, 2 / 3, 1.0]


def test_a_ramp_goes_from_one_rate_to_the_other_and_stays() -> None:
    found = [time for time in times(Ramp(10, 110, 100), 13_000) if time < 150]
    counts = [sum(1 for time in found if begin <= time < begin + 50) for begin in (0, 50, 100)]
    # The areas under the rate: 50 * (10 + 60) / 2, 50 * (60 + 110) / 2, 50 * 110.
    assert counts == [pytest.approx(1750, rel=0.1), pytest.approx(4250, rel=0.1), pytest.approx(5500, rel=0.1)]


def test_bursts_come_at_the_beginning_of_each_period() -> None:
    found = [time for time in times(Bursts(10, 200, 1, 10), 30_000) if time < 500]
    inside = [time for time in found if time % 10 < 1]
    assert len(inside) == pytest.approx(50 * 200, rel=0.05)
    assert len(found) - len(inside) == pytest.approx(450 * 10, rel=0.05)


def test_a_trace_keeps_its_times_and_can_run_faster() -> None:
    assert list(arrival_times(Trace(2.0), "1", [0.0, 1.0, 5.0])) == [0.0, 0.5, 2.5]


def test_a_trace_has_no_rate() -> None:
    with pytest.raises(TypeError, match="no rate"):
        highest_rate(Trace())


# Lengths


def test_fixed_lengths_are_the_mean() -> None:
    assert draw_length(Lengths("fixed", 32.4, 0.5, 1, 64), random.Random(1)) == 32


def test_uniform_lengths_reach_both_ends() -> None:
    source = random.Random(1)
    assert {draw_length(Lengths("uniform", 5, 0.5, 3, 6), source) for _number in range(200)} == {3, 4, 5, 6}


def test_lognormal_lengths_have_the_wanted_mean_and_stay_within_the_bounds() -> None:
    source = random.Random(1)
    found = [draw_length(Lengths("lognormal", 200, 0.5, 10, 100_000), source) for _number in range(20_000)]
    assert sum(found) / len(found) == pytest.approx(200, rel=0.02)
    cut = [draw_length(Lengths("lognormal", 200, 1.5, 100, 300), source) for _number in range(500)]
    assert (min(cut), max(cut)) == (100, 300)


# Prompts


def test_prompts_are_the_same_for_a_seed_and_differ_between_requests_and_phases() -> None:
    assert items() == items()
    first, second, third = (prompt(item) for item in items())
    assert len({first, second, third, prompt(items(phase="b")[0])}) == 4
    assert [item.number for item in items()] == [0, 1, 2]
    assert prompt(items(seed="2")[0]) != first


@pytest.mark.parametrize(
    ("tokens", "per_word", "words"), [(32, 1.0, 32), (3, 1.0, 3), (32, 2.0, 16), (200_000, 1.0, 200_000)]
)
def test_a_prompt_has_as_many_words_as_tokens_need(tokens: int, per_word: float, words: int) -> None:
    (item,) = items(1, input_lengths=Lengths("fixed", tokens, 0.5, 1, tokens), tokens_per_word=per_word)
    assert len(prompt(item).split()) == words
    assert item.max_tokens == 32


def test_two_prompts_do_not_begin_alike() -> None:
    beginnings = {" ".join(prompt(item).split()[:8]) for item in items(2000)}
    assert len(beginnings) == 2000


def test_requests_of_a_group_share_their_beginning_and_nothing_more() -> None:
    found = [prompt(item).split() for item in items(40, prefix=Prefix(16, 3))]
    assert {len(words) for words in found} == {48}
    assert len({" ".join(words[:16]) for words in found}) == 3
    assert len({" ".join(words[:17]) for words in found}) > 20


def test_a_plain_completion_has_the_prompt_as_text() -> None:
    (item,) = items(1, chat=False)
    assert len(json.loads(item.prompt_json).split()) == 32


# Files

SHAREGPT = json.dumps(
    [
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": 'Is "this" a question?'},
                {"from": "gpt", "value": "Yes."},
                {"from": "human", "value": "And this?"},
            ]
        },
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "Because."}]},
    ]
)


def test_a_conversation_is_asked_up_to_its_first_answer() -> None:
    found = {item.prompt_json for item in items(2, file=SHAREGPT)}
    assert [{"role": "user", "content": "Why?"}] in [json.loads(each) for each in found]
    assert [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": 'Is "this" a question?'},
    ] in [json.loads(each) for each in found]


def test_a_conversation_without_chat_is_its_texts_after_each_other() -> None:
    texts = [json.loads(item.prompt_json) for item in items(2, file=SHAREGPT, chat=False)]
    assert sorted(texts) == ['Be brief.\nIs "this" a question?', "Why?"]


def test_a_file_begins_anew_when_it_is_over() -> None:
    found = [item.prompt_json for item in items(4, file=SHAREGPT)]
    assert found[:2] == found[2:]


def test_lines_with_prompts_and_messages_keep_their_length() -> None:
    lines = '{"prompt": "Hi", "output_tokens": 7}\n\n{"messages": [{"role": "user", "content": "Ho"}]}\n'
    found = {prompt(item): item.max_tokens for item in items(2, file=lines)}
    assert found == {"Hi": 7, "Ho": 32}


def test_a_trace_is_asked_in_its_order_with_its_lengths() -> None:
    lines = "\n".join(
        json.dumps({"timestamp": 1000 * number, "input_length": 5 + number, "output_length": number + 1})
        for number in range(3)
    )
    assert [entry.time_seconds for entry in read_entries(lines)] == [0.0, 1.0, 2.0]
    found = items(3, file=lines)
    assert [(len(prompt(item).split()), item.max_tokens) for item in found] == [(5, 1), (6, 2), (7, 3)]


def test_equal_hash_ids_of_a_trace_are_equal_beginnings() -> None:
    lines = "\n".join(
        json.dumps({"time_seconds": number, "input_tokens": 1100, "hash_ids": [1, 2, 10 + number]})
        for number in range(2)
    )
    first, second = (prompt(item).split() for item in items(2, file=lines))
    assert (len(first), len(second)) == (1100, 1100)
    assert first[:1024] == second[:1024]
    assert first[1024:] != second[1024:]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no entry"),
        ("[3]", "entry 0 is no mapping"),
        ('[{"conversations": [{"from": "gpt", "value": "x"}]}]', "entry 0 cannot be read: the conversation"),
        ('[{"conversations": [{"value": "x"}]}]', "entry 0 cannot be read"),
        ('[{"prompt": "a"}, {"output_tokens": 3}]', "entry 1 has neither"),
        ('[{"prompt": "a", "output_tokens": 0}]', "output_tokens is 0, allowed: 1 or more"),
        ('[{"prompt": "a", "time_seconds": -1}]', "entry 0 has the time -1"),
        ('[{"prompt": "a", "time_seconds": 2}, {"prompt": "a", "time_seconds": 1}]', "not in order"),
        ('[{"prompt": "a", "time_seconds": 2}, {"prompt": "a"}]', "1 of 2 entries have no time"),
        ("{", "Expecting property name"),
    ],
)
def test_a_file_that_cannot_be_read_names_the_entry(content: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_entries(content)
