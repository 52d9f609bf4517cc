# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users write about a split, and every problem of it at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_parse import (
    Verification,
    Wish,
    parse_wish,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

PLACE = ("llm", "chat", "edge")
CREATE = {"gateway": "public", "port": 8000}


def parse(weights: Any = None, provider: str = "gateway_api", create: Any = None, **verify: Any) -> Wish:
    return parse_wish(PLACE, provider, weights or {"blue": 95, "green": "5"}, create, verify or None)


def test_numbers_come_as_text_out_of_templates() -> None:
    assert parse() == Wish({"blue": 95, "green": 5})


def test_a_route_to_make_carries_its_place() -> None:
    made = parse(create={**CREATE, "hosts": ["a"], "pin": False}).create
    assert made is not None
    assert (made.name, made.namespace, made.release, made.hosts, made.pin) == ("edge", "llm", "chat", ("a",), False)


def test_a_verification_has_defaults() -> None:
    assert parse(requests=0).verify == Verification(requests=0)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"blue": 90, "green": 5}, "weights: do not sum to 100 (got 95)"),
        ({"blue": 100}, "weights.green: is missing"),
        ({"blue": 101, "green": -1}, "weights.blue: is no percentage (got 101)"),
        ({"blue": 99.5, "green": 0.5}, "weights.green: is no percentage (got 0.5)"),
        ({"blue": True, "green": 0}, "weights.blue: is no percentage (got True)"),
        ({"blue": 50, "green": 50, "red": 1}, "weights.red: is no slot (got 1); allowed: blue and green"),
    ],
)
def test_weights_that_are_none_are_named(weights: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        parse(weights)
    assert words in error.value.message


def test_every_problem_is_told_at_once() -> None:
    bad = {"url": "gateway", "requests": -1, "seconds": 0.0, "concurrency": 0, "timeout_seconds": float("nan")}
    with pytest.raises(InputError) as error:
        parse({"blue": 1, "green": 1}, create={"port": 0}, **bad)
    assert [problem.path for problem in error.value.problems] == [
        "weights",
        "create.gateway",
        "create.port",
        "verify.url",
        "verify.requests",
        "verify.seconds",
        "verify.concurrency",
        "verify.timeout_seconds",
    ]
    for provider, create in (("replicas", CREATE), ("openshift_route", {**CREATE, "hosts": ["a", "b"]})):
        with pytest.raises(InputError, match="create"):
            parse(provider=provider, create=create)
