#!/usr/bin/env bash
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Imports the artifact as Galaxy and the hubs do (galaxy-importer, with the checks that certification asks for). Its
# pins do not go together with the development set, so it has an environment of its own in the cache.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t shared < <(grep -E '^ansible-(core|lint)==' requirements-dev.txt)
requirements=(galaxy-importer==0.4.44 "${shared[@]}")
key=$({ python -VV; echo "${requirements[@]}"; } | sha256sum | cut -c1-12)
environment=${XDG_CACHE_HOME:-$HOME/.cache}/llmops.kubernetes/importer/$key
if [ ! -e "$environment/.complete" ]; then
    rm -rf "$environment"
    python -m venv "$environment"
    "$environment/bin/pip" install --disable-pip-version-check --progress-bar off --no-compile "${requirements[@]}"
    touch "$environment/.complete"
fi

scratch=$PWD/build/importer
tools/copy_checkout.sh "$scratch/source"
# Galaxy asks for the address of the project, which has no public home yet; all else is as it is.
sed -i 's|^repository: ""$|repository: "https://example.com/llmops.kubernetes"|' "$scratch/source/galaxy.yml"
cat > "$scratch/importer.cfg" <<'CFG'
[galaxy-importer]
CHECK_REQUIRED_TAGS = true
RUN_ANSIBLE_LINT = true
RUN_ANSIBLE_TEST = false
CFG

export PATH=$environment/bin:$PATH GALAXY_IMPORTER_CONFIG=$scratch/importer.cfg
unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
# The collection that ours depends on. The importer sets the path of collections itself, but Ansible also looks beside
# its own Python modules.
collections=$(echo "$(tools/environment.sh path)"/lib/python3*/site-packages/ansible_collections)
beside=$(echo "$environment"/lib/python3*/site-packages)/ansible_collections
mkdir -p "$beside"
ln -sfn "$collections/kubernetes" "$beside/kubernetes"
rm -f "$scratch"/*.tar.gz
ansible-galaxy collection build --output-path "$scratch" "$scratch/source"
cd "$scratch"
python -m galaxy_importer.main llmops-kubernetes-*.tar.gz 2>&1 | tee importer.log
# Findings are warnings to the importer, and errors to us.
if grep -E '^(WARNING|ERROR)' importer.log; then
    echo "error: the importer warns, see above" >&2
    exit 1
fi
