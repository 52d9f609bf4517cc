#!/usr/bin/env bash
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints where a prometheus program is, for the tests: the one of LLMOPS_TEST_PROMETHEUS, the one on PATH, or the one of
# Debian's package. Of that only the program is taken, into the cache: installed, the package would start a service.
set -euo pipefail

if [ -n "${LLMOPS_TEST_PROMETHEUS:-}" ]; then
    echo "$LLMOPS_TEST_PROMETHEUS"
    exit
fi
if command -v prometheus; then
    exit
fi
folder=${XDG_CACHE_HOME:-$HOME/.cache}/llmops.kubernetes/prometheus
program=$folder/usr/bin/prometheus
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if [ ! -x "$program" ]; then
    if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
        echo "error: no prometheus on PATH, and no apt to fetch Debian's. Install it, or set LLMOPS_TEST_PROMETHEUS" >&2
        exit 1
    fi
    scratch=$(mktemp -d "$folder/new.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    cd "$scratch"
    # apt drops its rights to a user who may not write into the cache, unless it is told not to. Without lists, or with
    # old ones, it fetches them first, which takes root.
    apt-get download -qq -o APT::Sandbox::User=root prometheus >&2 \
        || { apt-get update -qq >&2 && apt-get download -qq -o APT::Sandbox::User=root prometheus >&2; }
    dpkg -x prometheus_*.deb unpacked
    # The name appears only when the program is whole.
    mkdir -p "$(dirname "$program")"
    mv unpacked/usr/bin/prometheus "$program"
fi
echo "$program"
