# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the sections ``model`` and ``engine`` of a model server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import engine_args
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_container import OWNED_ENV
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields, shown
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import (
    ChatTemplate,
    ConfigMapKey,
    Engine,
    EngineVersion,
    EnvValue,
    FieldRef,
    Model,
    ModelSource,
    SecretKey,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.secret_names import looks_secret

__all__ = ["parse_engine", "parse_image", "parse_model"]

_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_REPOSITORY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")
_SCHEMES = ("hf", "pvc", "s3", "volume")
_SOURCES = "hf://ORG/NAME, pvc://CLAIM/FOLDER, s3://BUCKET/PATH, volume://NAME/FOLDER"
_LATER_SCHEMES = {
    "file": "Put the files on a volume and use pvc://CLAIM/FOLDER: Pod Security forbids host paths.",
    "oci": "Download the model onto a volume and use pvc://CLAIM/FOLDER until then.",
}
# They open the server to remote control or run code of the model's repository.
_UNSAFE_ENV = ("VLLM_SERVER_DEV_MODE", "VLLM_ALLOW_INSECURE_SERIALIZATION", "VLLM_TORCH_PROFILER_DIR")
_UNSAFE_HINT = "It opens the server to remote control. Set engine.allow_unsafe: true if that is wanted."


def _secret_key(fields: Fields, key: str) -> SecretKey | None:
    """Return a reference to a Secret's key; a plain value is refused without being shown."""
    if not fields.has(key):
        return None
    if not isinstance(fields.raw(key), Mapping):
        fields.problem(
            key,
            "a secret's value must not stand in the inventory",
            hint=f"Refer to a Secret of the namespace: {key}: {{secret: NAME, key: KEY}}.",
        )
        return None
    inner = fields.nested(key)
    reference = SecretKey(
        inner.required_text("secret", "Name the Secret."),
        inner.required_text("key", "Name the key inside of the Secret."),
        bool(inner.boolean("optional", False)),
    )
    inner.finish()
    return reference


def _parse_source(fields: Fields) -> ModelSource:
    text = fields.required_text("source", f"Say where the weights are: {_SOURCES}.")
    scheme, separator, rest = text.partition("://")
    if not text:
        return ModelSource("hf", "")
    if scheme in _LATER_SCHEMES and separator:
        fields.problem("source", f"{scheme}:// is not supported yet", text, _SOURCES, _LATER_SCHEMES[scheme])
    elif scheme not in _SCHEMES or not rest.strip("/"):
        fields.problem("source", "is no model source", text, _SOURCES)
    elif scheme == "hf":
        if not _REPOSITORY.match(rest):
            fields.problem("source", "is no repository of the hub", text, "hf://ORG/NAME")
        return ModelSource("hf", rest)
    root, _rest, path = rest.strip("/").partition("/")
    if ".." in path.split("/"):
        fields.problem("source", "must not leave its volume", text)
    return ModelSource(scheme if scheme in _SCHEMES else "pvc", root, path)


def _parse_revision(fields: Fields, source: ModelSource) -> str | None:
    revision = fields.text("revision", None)
    branch_allowed = bool(fields.boolean("allow_branch", False))
    if source.scheme != "hf":
        if revision is not None:
            fields.problem("revision", f"has no meaning for {source.scheme}://", revision, hint="Leave it out.")
        return None
    hint = "Write the commit's 40 hexadecimal digits, or set model.allow_branch: true to accept changing weights."
    if revision is None and not branch_allowed:
        fields.problem("revision", "is required for hf://: without it the weights may change at any restart", hint=hint)
    elif revision is not None and not branch_allowed and not _COMMIT.match(revision):
        fields.problem("revision", "is a branch or a tag, not a commit", revision, hint=hint)
    return revision


def _parse_template(fields: Fields) -> ChatTemplate | None:
    value = fields.raw("chat_template")
    if value is None:
        return None
    if isinstance(value, str):
        return ChatTemplate(text=value)
    inner = fields.nested("chat_template")
    name, text = inner.text("configmap", None), inner.text("text", None)
    key = inner.text("key", "chat_template.jinja")
    inner.finish()
    if (name is None) == (text is None):
        fields.problem(
            "chat_template", "needs either text or configmap", value, "{text: ...}, {configmap: NAME, key: KEY}"
        )
        return None
    return ChatTemplate(text=text, configmap=ConfigMapKey(name, key) if name is not None else None)


def _parse_cache(fields: Fields, source: ModelSource) -> str | None:
    """Return the claim that keeps downloads of the hub."""
    if not fields.has("cache"):
        return None
    inner = fields.nested("cache")
    claim = inner.required_text("pvc", "Name the PersistentVolumeClaim.")
    inner.finish()
    if source.scheme != "hf":
        fields.problem("cache", f"has no meaning for {source.scheme}://: nothing is downloaded", hint="Leave it out.")
    return claim or None


def parse_model(fields: Fields, release: str, version: EngineVersion) -> Model:
    """Return the section ``model``; ``release`` is the served name where none is given."""
    source = _parse_source(fields)
    served = fields.raw("served_name")
    names = fields.texts("served_name") if isinstance(served, (list, tuple)) else (fields.text("served_name", release),)
    credentials = fields.nested("credentials")
    quantization = fields.text("quantization", None)
    finding = engine_args.check_choice("quantization", quantization, version) if quantization else None
    if finding is not None and finding.certain:
        fields.problem("quantization", finding.message, quantization, hint=finding.hint)
    model = Model(
        source=source,
        served_names=names or (release,),
        revision=_parse_revision(fields, source),
        token=_secret_key(fields, "token"),
        credentials_secret=credentials.text("secret", None),
        cache_claim=_parse_cache(fields, source),
        chat_template=_parse_template(fields),
        quantization=quantization,
        size_gib=fields.number("size_gib", None, above=0, unit="GiB"),
    )
    credentials.finish()
    if fields.has("adapters"):
        fields.problem("adapters", "adapters are not supported yet", hint="Leave the key out.")
    fields.finish()
    return model


def parse_image(fields: Fields, key: str, *, digest: str | None = None) -> str:
    """Return an image's name; ``latest`` and a missing tag are refused unless a digest pins the image."""
    image = fields.required_text(key, "Name the image with its tag.")
    name, separator, inline = image.partition("@")
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    if separator and not _DIGEST.match(inline):
        fields.problem(key, "what stands behind @ is no digest", image, "NAME:TAG@sha256: and 64 hexadecimal digits")
    elif separator and digest:
        fields.problem(key, "has a digest, and so has engine.digest", image, hint="Keep one of them.")
    elif image and not digest and not inline and tag in ("", "latest"):
        fields.problem(
            key,
            "the image has no tag that pins it"
            if not tag
            else "the tag latest is refused: a restart may bring another engine",
            image,
            "NAME:TAG, NAME:TAG@sha256:... ",
            "Write the version's tag, best with a digest.",
        )
    return image


def _parse_env(fields: Fields, version: EngineVersion, *, unsafe_allowed: bool) -> tuple[tuple[str, EnvValue], ...]:
    raw = fields.raw("env")
    inner = fields.nested("env")
    pairs: list[tuple[str, EnvValue]] = []
    for name in dict(raw) if isinstance(raw, Mapping) else ():
        if not isinstance(name, str) or not _ENV_NAME.match(name):
            inner.problem(str(name), "is no name of a variable", hint="Use letters, digits and underscores.")
        elif name in OWNED_ENV:
            inner.problem(name, "is set by the collection", hint=OWNED_ENV[name])
        elif name in _UNSAFE_ENV and not unsafe_allowed:
            inner.problem(name, "is unsafe", hint=_UNSAFE_HINT)
        else:
            _check_variable(inner, name, version)
            pairs += [(name, value) for value in [_env_value(inner, name)] if value is not None]
    return tuple(pairs)


def _check_variable(inner: Fields, name: str, version: EngineVersion) -> None:
    finding = engine_args.check_variable(name, version)
    # Plug-ins read VLLM_ variables of their own, so only one that vLLM itself has dropped is certainly wrong.
    if finding is not None and finding.elsewhere:
        inner.problem(name, finding.message, hint=finding.hint)


def _env_value(fields: Fields, name: str) -> EnvValue | None:
    value = fields.raw(name)
    if isinstance(value, bool) or value is None:
        fields.problem(name, "expected a text", value, hint="Put quotes around it.")
        return None
    if isinstance(value, (str, int, float)):
        if looks_secret(name):
            fields.problem(
                name,
                "looks like a secret and must not stand in the inventory",
                hint=f"Refer to a Secret of the namespace: {name}: {{secret: NAME, key: KEY}}.",
            )
        return str(value)
    inner = fields.nested(name)
    kinds = [kind for kind in ("secret", "configmap", "field") if inner.has(kind)]
    if len(kinds) != 1:
        allowed = "a text, {secret: NAME, key: KEY}, {configmap: NAME, key: KEY} or {field: status.podIP}"
        fields.problem(name, "is no value of a variable", value, allowed)
        return None
    where, optional = inner.text(kinds[0], ""), bool(inner.boolean("optional", False))
    if kinds[0] == "field":
        inner.finish()
        return FieldRef(where)
    key = inner.required_text("key", f"Name the key inside of the {kinds[0]}.")
    inner.finish()
    return SecretKey(where, key, optional) if kinds[0] == "secret" else ConfigMapKey(where, key, optional)


def _check_arg(inner: Fields, name: str, value: Any, version: EngineVersion) -> None:
    finding = engine_args.check_arg(name, version)
    if finding is None and name == "kv_cache_dtype" and isinstance(value, str):
        finding = engine_args.check_choice(name, value, version)
    if finding is not None and finding.certain:
        inner.problem(name, finding.message, hint=finding.hint)
    elif not isinstance(value, (str, int, float, bool, list, tuple, dict, type(None))):
        inner.problem(name, "has no form on a command line", shown(value))
    elif (finding := engine_args.check_meaning(name, value)) is not None:
        inner.problem(name, finding.message, value, hint=finding.hint)


def _parse_args(fields: Fields, version: EngineVersion, *, unsafe_allowed: bool) -> tuple[tuple[str, Any], ...]:
    raw = fields.raw("args")
    inner = fields.nested("args")
    pairs: list[tuple[str, Any]] = []
    for name, value in raw.items() if isinstance(raw, Mapping) else ():
        name = str(name).lstrip("-").replace("-", "_")
        if name in dict(pairs):
            inner.problem(name, "is there twice, with dashes and with underscores", hint="Keep one of them.")
        _check_arg(inner, name, value, version)
        pairs.append((name, value))
    written = dict(pairs)
    if written.get("trust_remote_code") and not unsafe_allowed:
        pinned = written.get("code_revision")
        if not isinstance(pinned, str) or not _COMMIT.match(pinned):
            inner.problem(
                "trust_remote_code",
                "runs code of the model's repository, which is not pinned",
                hint="Set engine.args.code_revision to a commit's 40 digits, or engine.allow_unsafe: true.",
            )
    return tuple(pairs)


def parse_engine(fields: Fields, version: EngineVersion) -> Engine:
    """Return the section ``engine``; ``version`` is its already parsed ``engine.version``."""
    digest = fields.text("digest", None)
    if digest is not None and not _DIGEST.match(digest):
        fields.problem("digest", "is no digest", digest, "sha256: and 64 hexadecimal digits")
    fields.raw("version")
    unsafe = bool(fields.boolean("allow_unsafe", False))
    tls = fields.nested("tls")
    engine = Engine(
        image=parse_image(fields, "image", digest=digest),
        version=version,
        digest=digest,
        command=fields.texts("command") or Engine.command,
        args=_parse_args(fields, version, unsafe_allowed=unsafe),
        env=_parse_env(fields, version, unsafe_allowed=unsafe),
        port=fields.integer("port", 8000, minimum=1, maximum=65535),
        api_key=_secret_key(fields, "api_key"),
        tls_secret=tls.text("secret", None),
        pull_policy=fields.text("pull_policy", None, choices=("Always", "IfNotPresent", "Never")),
        pull_secrets=fields.texts("pull_secrets"),
    )
    tls.finish()
    fields.finish()
    return engine
