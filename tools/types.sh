#!/usr/bin/env bash
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Checks the types of everything that carries them, strictly. Helper files of a role and of the stand-in engine import
# their neighbours by bare name, as they run beside each other, so each such folder is a search path of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
check() { # search path, what to check
    echo "mypy ${*:2}"
    MYPYPATH=$1 mypy "${@:2}" || failed=1
}

check "" -p ansible_collections.llmops.kubernetes.plugins
check tools tools
for folder in roles/*/files; do
    mapfile -t helpers < <(find "$folder" -maxdepth 1 -name '*.py' | sort)
    if [ ${#helpers[@]} -gt 0 ]; then
        check "$folder" "${helpers[@]}"
    fi
done
check tests/faults/engine:tools:. benchmarks tests/support tests/e2e tests/faults
exit "$failed"
