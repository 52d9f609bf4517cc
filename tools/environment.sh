#!/usr/bin/env bash
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the development environment in the cache, once per content of requirements-dev.txt and version of Python.
#
#   tools/environment.sh path    print where it is (or will be)
#   tools/environment.sh make    make it if it is not complete
set -euo pipefail
cd "$(dirname "$0")/.."

# kubernetes.core (and ansible.posix, whose JSON output tests read) come out of the `ansible` package, so that Galaxy need
# not be within reach. Only these are taken: the whole package is 470 MB.
ansible_package=ansible==12.3.0
collections=(kubernetes/core ansible/posix)

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            # The interpreter itself, not a link, a shim or another environment's copy: the key must not depend on PATH.
            "$candidate" -c 'import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))'
            return
        fi
    done
    echo "error: no Python 3.11, 3.12 or 3.13 on PATH (tried: ${PYTHON:-python3.11 python3 python3.12 python3.13});" \
        "ansible-core 2.19 runs on these. Install one or name it: make PYTHON=/path/to/python3.11 ..." >&2
    return 1
}

python=$(find_python)
key=$({ "$python" -VV; printf '%s\n' "$python"; cat requirements-dev.txt tools/environment.sh; } | sha256sum | cut -c1-12)
environment=${XDG_CACHE_HOME:-$HOME/.cache}/llmops.kubernetes/venv/$key

ensure_venv_module() {
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        return
    fi
    echo "The venv module of $python is missing; installing python3-venv with apt"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "error: cannot install python3-venv (needs root and apt). Install it, then run make again." >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
}

take_collections() {
    local wheels=$environment/wheels
    "$environment/bin/pip" download --disable-pip-version-check --progress-bar off --no-deps --only-binary :all: --dest "$wheels" "$ansible_package"
    "$environment/bin/python" - "$wheels" "${collections[@]}" <<'PYTHON'
import pathlib, sys, sysconfig, zipfile

wheels, *collections = sys.argv[1:]
(wheel,) = pathlib.Path(wheels).glob("*.whl")
prefixes = tuple(f"ansible_collections/{collection}/" for collection in collections)
with zipfile.ZipFile(wheel) as archive:
    members = [name for name in archive.namelist() if name.startswith(prefixes)]
    archive.extractall(sysconfig.get_path("purelib"), members)
print(f"Took {len(members)} files of {', '.join(collections)} out of {wheel.name}")
PYTHON
    rm -rf "$wheels"
}

make_environment() {
    if [ -e "$environment/.complete" ]; then
        return
    fi
    mkdir -p "$(dirname "$environment")"
    # Scripts of a virtual environment carry its path, so it is made in place; only .complete says that it is whole.
    exec 9>"$environment.lock"
    flock 9
    if [ -e "$environment/.complete" ]; then
        return
    fi
    ensure_venv_module
    rm -rf "$environment"
    echo "Making the environment $environment with $("$python" -V)"
    "$python" -m venv "$environment"
    "$environment/bin/pip" install --disable-pip-version-check --progress-bar off --no-compile -r requirements-dev.txt
    take_collections
    # Once, by all processors, instead of at the first start of every program (and at each where nothing may be written).
    echo "Compiling the packages"
    "$environment/bin/python" -m compileall -qq -j 0 "$environment/lib"
    touch "$environment/.complete"
}

case "${1:-}" in
    path) printf '%s\n' "$environment" ;;
    make) make_environment ;;
    *) echo "usage: tools/environment.sh path|make" >&2; exit 2 ;;
esac
