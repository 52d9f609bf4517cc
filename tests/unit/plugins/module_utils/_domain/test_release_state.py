# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_record import (
    Record,
    find_digest,
    find_files,
    find_previous,
    is_record_name,
    parse_record,
    plan_history,
    record_name,
    render_record,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_state import (
    BYTES_MAX,
    ReleaseState,
    check_size,
    parse_release,
    render_release_data,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._domain.canaries import start

PLACE = "ConfigMap llm/chat-release on https://cluster"
RECORD = Record(
    number=3,
    revision="0123456789",
    slot="green",
    recorded_at="2026-01-01T12:00:00+00:00",
    recorded_by="alice@desk:7",
    image="docker.io/vllm/vllm-openai:v0.18.0",
    model="hf://acme/tiny",
    spec={"name": "chat", "engine": {"args": {"x": [1, "é"]}}},
    objects=({"kind": "Deployment", "metadata": {"name": "chat-green"}},),
    verdicts={"health": {"verdict": "pass"}},
    image_digest="sha256:" + "a" * 64,
    model_revision="b" * 40,
    copy_of=1,
    files=("chat-files-1",),
)


def written(state: ReleaseState) -> dict[str, Any]:
    data = {key: text for key, text in render_release_data(state).items() if text is not None}
    source = {"restored_from": str(state.restored_from)} if state.restored_from else {}
    return {"data": {"format": "1", "stable_slot": state.stable_slot, **source, **data}}


def test_a_state_comes_back_as_it_was_written() -> None:
    full = ReleaseState("green", {"green": 3, "blue": 2}, 4, start()[0], 2)
    for state in (ReleaseState(), full, ReleaseState("green")):
        assert parse_release(written(state), PLACE) == state
    assert (full.stable_number, ReleaseState().stable_number) == (3, None)
    assert parse_release(None, PLACE) is None
    # A release of which nothing was recorded yet.
    assert parse_release({"data": {"format": "1"}}, PLACE) == ReleaseState()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "2"}, "has format 2; this version of llmops.kubernetes reads and writes format 1. Use the version"),
        ({"format": None}, "has no format"),
        ({"stable_slot": "red"}, "key stable_slot is 'red', neither blue nor green"),
        ({"number.blue": "0"}, "key number.blue is '0', no number of a revision"),
        ({"restored_from": "two"}, "key restored_from is 'two'"),
        ({"canary": "{}"}, "key canary is no state of a canary"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused_by_name(change: dict[str, str | None], words: str) -> None:
    data = {key: text for key, text in {**written(ReleaseState())["data"], **change}.items() if text is not None}
    with pytest.raises(ClusterError) as caught:
        parse_release({"data": data}, PLACE)
    assert caught.value.message.startswith(PLACE)
    assert words in caught.value.message


def test_a_number_is_never_given_twice_even_where_the_last_one_is_lost() -> None:
    item = written(ReleaseState("blue", {"blue": 7}, 7))
    del item["data"]["number_last"]
    state = parse_release(item, PLACE)
    assert state is not None
    assert state.last_number == 7


def test_more_than_a_configmap_takes_is_refused_before_it_is_written_and_the_largest_part_is_named() -> None:
    check_size({"a": "x" * BYTES_MAX, "b": None}, PLACE)
    with pytest.raises(ClusterError) as caught:
        check_size({"a": "é" * (BYTES_MAX // 2), "b": "y", "c": None}, PLACE)
    assert f"would hold {BYTES_MAX + 1} bytes, a ConfigMap takes {BYTES_MAX}: a {BYTES_MAX} bytes, b 1" in str(
        caught.value
    )


def test_a_record_comes_back_as_it_was_written() -> None:
    plain = replace(RECORD, image_digest=None, model_revision=None, copy_of=None, files=(), verdicts={})
    for record in (RECORD, plain):
        item = render_record(record, "llm", "chat", "some-uid", PLACE)
        assert replace(parse_record(item, PLACE), objects=tuple(parse_record(item, PLACE).objects)) == record
    item = render_record(RECORD, "llm", "chat", "some-uid", PLACE)
    assert item["immutable"] is True
    assert item["metadata"]["name"] == "chat-revision-3"
    assert item["metadata"]["ownerReferences"][0]["uid"] == "some-uid"


def test_a_record_that_is_too_large_is_not_made() -> None:
    with pytest.raises(ClusterError, match=r"spec\.json"):
        render_record(replace(RECORD, spec={"x": "y" * BYTES_MAX}), "llm", "chat", "uid", PLACE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "9"}, "has format 9"),
        ({"objects.json": "["}, "is no record of a revision"),
        ({"number": "three"}, "is no record of a revision"),
        ({"spec.json": None}, "KeyError 'spec.json'"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(change: dict[str, str | None], words: str) -> None:
    item = render_record(RECORD, "llm", "chat", "uid", PLACE)
    item["data"] = {key: text for key, text in {**item["data"], **change}.items() if text is not None}
    with pytest.raises(ClusterError, match=words):
        parse_record(item, PLACE)


def test_names_of_records_are_told_from_those_of_other_releases_and_of_earlier_versions() -> None:
    assert is_record_name("chat", record_name("chat", 12))
    assert not is_record_name("chat", "chat-revision-3f9a2c1d7e")
    assert not is_record_name("chat", "chat-revision-0123456789")
    assert not is_record_name("chat", "chat-two-revision-1")


def test_a_digest_is_what_an_image_can_be_pulled_by() -> None:
    digest = "sha256:" + "c" * 64
    assert find_digest(f"docker.io/vllm/vllm-openai@{digest}") == digest
    assert find_digest(digest) is None
    assert find_digest("") is None


def test_files_are_the_immutable_configmaps_of_a_release() -> None:
    files = {"kind": "ConfigMap", "metadata": {"name": "chat-files-1"}, "immutable": True}
    anchor = {"kind": "ConfigMap", "metadata": {"name": "chat-release"}}
    assert find_files([anchor, files, {"kind": "Service", "metadata": {"name": "chat"}}]) == ("chat-files-1",)


def records(*copies: int | None) -> dict[int, Record]:
    return {n: replace(RECORD, number=n, copy_of=copy) for n, copy in enumerate(copies, 1)}


def test_each_further_rollback_goes_further_back_and_never_to_what_was_left() -> None:
    kept = records(None, None, None, 2, 1)
    assert find_previous(kept, 3) == 2
    assert find_previous(kept, 4) == 1
    assert find_previous(kept, 5) is None
    assert find_previous(records(None), 1) is None
    del kept[2]
    assert find_previous(kept, 4) == 1


@given(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40)), st.integers(1, 12))
def test_history_keeps_the_newest_and_what_is_in_use(numbers: set[int], in_use: set[int], kept_max: int) -> None:
    gone = plan_history(sorted(numbers), sorted(in_use), kept_max)
    left = numbers - set(gone)
    assert set(gone) <= numbers - in_use
    assert sorted(numbers, reverse=True)[:kept_max] == sorted(left - (in_use - set(sorted(numbers)[-kept_max:])))[::-1]
    assert list(gone) == sorted(gone)
