#!/usr/bin/env bash
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copies the checkout's files into an empty folder: tracked ones and new ones that git does not ignore, without what is
# deleted but not yet committed, so that uncommitted work is looked at as it will be committed.
#
#   tools/copy_checkout.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
rm -rf "$target"
mkdir -p "$target"
git ls-files --cached --others --exclude-standard -z \
    | while IFS= read -r -d '' file; do if [ -e "$file" ] || [ -L "$file" ]; then printf '%s\0' "$file"; fi; done \
    | tar --create --null --files-from=- | tar --extract --directory "$target"
