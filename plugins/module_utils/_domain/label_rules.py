# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes takes as the name and as the value of a label.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

from __future__ import annotations

import re

__all__ = ["KEY_ALLOWED", "VALUE_ALLOWED", "is_label_key", "is_label_value"]

KEY_ALLOWED = "up to 63 letters, digits, - _ . with an optional prefix/ of up to 253"
VALUE_ALLOWED = "up to 63 letters, digits, - _ ."
_PREFIX_CHARACTERS_MAX = 253
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def is_label_key(text: str) -> bool:
    """Whether a text is the name of a label, an annotation or a taint, with or without a prefix."""
    prefix, slash, word = text.rpartition("/")
    if slash and (len(prefix) > _PREFIX_CHARACTERS_MAX or not _PREFIX.fullmatch(prefix)):
        return False
    return bool(_WORD.fullmatch(word))


def is_label_value(text: str) -> bool:
    """Whether a text is the value of a label or of a taint; it may be empty."""
    return not text or bool(_WORD.fullmatch(text))
