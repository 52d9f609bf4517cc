# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell of every module: options in, a use case's outcome or an error's words out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.secret_names import secret_values
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import LlmopsError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options

__all__ = ["run"]


class _Module(AnsibleModule):
    """Hides secrets inside of a kubeconfig that is given as data before the first word about the options is written.

    ``no_log`` of the whole option would hide every text of it, such as ``v1`` or ``default``, wherever that appears in
    a result, and the path of a kubeconfig in the errors that name it.
    """

    def _log_invocation(self) -> None:
        self.no_log_values.update(secret_values(self.params.get("kubeconfig")))
        log: Callable[[], None] = super()._log_invocation
        log()


def run(options: Options, flow: Callable[[Mapping[str, Any], bool], Outcome]) -> None:
    """Run a flow with the module's parameters and whether this is check mode, and end the module."""
    make: Callable[..., AnsibleModule] = _Module
    module = make(supports_check_mode=True, **options.arguments())
    try:
        options.check(module.params)
        outcome = flow(module.params, module.check_mode)
    except LlmopsError as error:
        module.fail_json(msg=error.message, details=error.details)
    for warning in outcome.warnings:
        module.warn(warning)
    result = {"changed": outcome.changed, **outcome.result}
    # Of a thousand nodes it is most of the result, which Ansible would carry through all of its callbacks.
    if outcome.diff and module._diff:  # noqa: SLF001 - how Ansible tells modules, for want of another way
        result["diff"] = list(outcome.diff)
    if outcome.failure is not None:
        module.fail_json(msg=outcome.failure, details=dict(outcome.details), **result)
    module.exit_json(**result)
