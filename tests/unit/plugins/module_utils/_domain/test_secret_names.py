# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.secret_names import (
    is_private,
    looks_secret,
    mask,
    secret_values,
)


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "token",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "OPENAI_API_KEY",
        "apikey",
        "api-key",
        "DB_PASSWORD",
        "SECRET_KEY",
        "TOKEN_2",
        "HUB_TOKEN_V2",
        "API_KEYS",
        "client-secret",
        "refresh-token",
        "CREDENTIALS",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "HF_HUB_DISABLE_IMPLICIT_TOKEN",
        "MAX_TOKENS",
        "TOKEN_LIMIT",
        "HF_TOKEN_PATH",
        "TOKENIZERS_PARALLELISM",
        "secretKeyRef",
        "secretName",
        "KEY",
    ],
)
def test_names_that_only_sound_like_a_secrets_are_free(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("path", "private"),
    [
        ("model_servers[chat].model.token", True),
        ("model_servers[chat].model.credentials.secret", True),
        ("model_servers[chat].engine.env.MY_TOKEN.value", True),
        ("model_servers[chat].engine.env.API_KEY_PROD", True),
        ("model_servers[chat].engine.env.MODE", False),
        ("model_servers[chat].replicas", False),
    ],
)
def test_a_value_is_private_below_a_secrets_name(path: str, private: bool) -> None:
    assert is_private(path) is private


def test_values_with_a_secrets_name_are_masked_and_references_stay() -> None:
    value = {
        "env": [
            {"name": "HF_TOKEN", "value": "planted"},
            {"name": "DB_PASSWORD_OLD", "value": "planted"},
            {"name": "A_TOKEN", "valueFrom": {"secretKeyRef": {"key": "k"}}},
        ],
        "password": "planted",
        "api_key": {"name": "s", "key": "k"},
        "mode": 3,
    }
    assert mask(value) == {
        "env": [
            {"name": "HF_TOKEN", "value": "(masked)"},
            {"name": "DB_PASSWORD_OLD", "value": "(masked)"},
            {"name": "A_TOKEN", "valueFrom": {"secretKeyRef": {"key": "k"}}},
        ],
        "password": "(masked)",
        "api_key": {"name": "s", "key": "k"},
        "mode": 3,
    }


def test_the_secrets_of_a_kubeconfig_are_found_wherever_they_are() -> None:
    users = [
        {"name": "a", "user": {"token": "one", "client-key-data": "two", "client-certificate-data": "public"}},
        {"name": "b", "user": {"auth-provider": {"config": {"refresh-token": "three", "expiry": "x"}}}},
        {"name": "c", "user": {"exec": {"env": [{"name": "X_SECRET", "value": "four"}], "command": "get-token"}}},
        {"name": "d", "user": {"password": "", "username": "u"}},
        {"name": "e", "user": {"exec": {"env": [{"name": "X_TOKEN", "value": ""}]}, "password": 987654321}},
    ]
    assert list(secret_values({"kind": "Config", "users": users})) == ["one", "two", "three", "four", "987654321"]
    assert list(secret_values("~/.kube/config")) == []
