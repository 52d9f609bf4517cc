# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A refusal of the API server becomes its own words, the fields that it names, and the next step."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_errors import describe_status


def status(message: str, **details: Any) -> bytes:
    return json.dumps({"kind": "Status", "message": message, "details": details}).encode()


@pytest.mark.parametrize(
    ("code", "next_step"),
    [
        (401, "The credentials are not accepted or have expired"),
        (403, "roles/model_server/files/rbac-deployer.yml"),
        (404, "Check the name"),
        (409, "set force_conflicts: true"),
        (413, "larger than the API server takes"),
        (422, "Correct the field that is named"),
        (429, "overloaded"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words_with_the_next_step(code, next_step):
    text = describe_status(code, status("these are its words"))
    assert text.startswith(f"HTTP {code} these are its words. ")
    assert next_step in text


def test_a_status_without_a_known_cure_ends_with_the_servers_words():
    assert describe_status(500, status("etcdserver: leader changed")) == "HTTP 500 etcdserver: leader changed"


def test_causes_add_the_fields_that_the_message_does_not_name():
    causes = [
        {"field": "spec.replicas", "message": "Invalid value: -1: must not be negative"},
        {"field": "spec.selector", "message": "field is immutable"},
        {"message": "no field"},
    ]
    text = describe_status(422, status("Deployment is invalid: spec.selector: field is immutable", causes=causes))
    assert "(spec.replicas: Invalid value: -1: must not be negative)" in text
    assert text.count("field is immutable") == 1
    assert "no field" not in text


def test_a_conflict_names_managers_and_fields():
    causes = [{"field": ".spec.replicas", "message": 'conflict with "kubectl" using apps/v1'}]
    text = describe_status(409, status("Apply failed with 1 conflict", causes=causes))
    assert 'conflict with "kubectl"' in text
    assert ".spec.replicas" in text


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"<html>502 Bad Gateway</html>", "HTTP 502 <html>502 Bad Gateway</html>"),
        (b"", "HTTP 502"),
        (b"[1, 2]", "HTTP 502 [1, 2]"),
        (b'"word"', "HTTP 502 word"),
        (b"null", "HTTP 502 None"),
        (b"\xff\xfe", "HTTP 502 \ufffd\ufffd"),
        (b'{"message": null, "details": null}', "HTTP 502"),
        (b'{"message": "words", "details": "odd"}', "HTTP 502 words"),
        (b'{"message": "words", "details": {"causes": [7, {"field": "x"}]}}', "HTTP 502 words (x: None)"),
    ],
)
def test_answers_of_proxies_and_odd_servers_are_told_as_they_are(answer, text):
    assert describe_status(502, answer) == text


def test_a_long_answer_is_cut():
    assert len(describe_status(502, b"x" * 10_000)) < 600
