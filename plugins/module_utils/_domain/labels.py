# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place for label, annotation and manager names.

Selectors hold only instance and slot, so that everything else may change without a new Deployment.
"""

from __future__ import annotations

__all__ = [
    "COMPONENT",
    "FIELD_MANAGER",
    "INSTANCE",
    "MANAGED_BY",
    "MODEL_SERVER",
    "NAME",
    "PART_OF",
    "PROBE",
    "RESERVED_PREFIXES",
    "REVISION",
    "SERVED_NAME",
    "SLOT",
    "SLOTS",
    "STARTUP_SECONDS",
    "VERSION",
    "WARMUP_REQUESTS",
    "release_selector",
    "slot_selector",
]

# https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
VERSION = "app.kubernetes.io/version"
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
SLOT = "llmops.dev/slot"
REVISION = "llmops.dev/revision"
RESERVED_PREFIXES = ("app.kubernetes.io/", "llmops.dev/")

# Annotations of the Deployment, from which a gate knows what to ask without the inventory.
SERVED_NAME = "llmops.dev/served-name"
STARTUP_SECONDS = "llmops.dev/startup-seconds"
WARMUP_REQUESTS = "llmops.dev/warmup-requests"

FIELD_MANAGER = "llmops.kubernetes"
MODEL_SERVER = "model-server"
PROBE = "probe"
SLOTS = ("blue", "green")


def release_selector(name: str) -> str:
    """Return the label selector of everything that the collection made for a release."""
    return f"{INSTANCE}={name},{MANAGED_BY}={FIELD_MANAGER}"


def slot_selector(name: str, slot: str) -> dict[str, str]:
    """Return the labels that select the pods of one slot."""
    return {INSTANCE: name, SLOT: slot}
