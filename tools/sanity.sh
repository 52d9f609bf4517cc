#!/usr/bin/env bash
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs `ansible-test sanity`, with empty ignore files, over a copy of the checkout's files: ansible-test wants a real
# path .../ansible_collections/llmops/kubernetes and follows no link. Its own environments are kept in the cache.
#
#   tools/sanity.sh [arguments of ansible-test sanity]
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$PWD/build/sanity/ansible_collections/llmops/kubernetes
tools/copy_checkout.sh "$copy"
# The link would lead ansible-test back to the checkout.
rm -r "$copy/collections"

ignored=$(cat "$copy"/tests/sanity/ignore-*.txt)
if [ -n "$ignored" ]; then
    echo "error: tests/sanity/ignore-*.txt must stay empty; mend the finding instead of ignoring it:" >&2
    printf '%s\n' "$ignored" >&2
    exit 1
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}
export XDG_CACHE_HOME=$cache
export HOME=$cache/llmops.kubernetes/ansible-test
export ANSIBLE_HOME=$HOME/.ansible
# ansible-test downloads this file from a host that a closed network does not offer. Python brings the same pip along.
mkdir -p "$HOME/.ansible/test/cache"
cat > "$HOME/.ansible/test/cache/get_pip_24_2.py" <<'PYTHON'
import ensurepip

ensurepip.bootstrap(upgrade=True, default_pip=True)
PYTHON

cd "$copy"
# Else ansible-test finds the checkout's .git further up and sees nothing but ignored files.
export ANSIBLE_TEST_CONTENT_ROOT=$copy
unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
exec ansible-test sanity --local --python "$version" --requirements --color no "$@"
