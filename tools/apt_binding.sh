#!/usr/bin/env bash
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Ensures that the system's Python can drive apt. Ansible's apt module fetches this binding by itself where it is
# missing, but does not wait for another apt meanwhile: two playbooks side by side would stop each other.
set -euo pipefail

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || /usr/bin/python3 -c 'import apt' 2>/dev/null; then
    exit 0  # there, or not ours to bring: the playbooks say what they miss
fi
echo "The system's Python cannot drive apt yet; installing python3-apt"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600 python3-apt
