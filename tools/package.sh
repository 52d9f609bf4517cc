#!/usr/bin/env bash
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the collection, installs the artifact into an empty folder as a user would, and looks at it from there:
# documentation of every module, syntax of every playbook, nothing in it that only serves the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$PWD/build/package
rm -rf "$scratch"
mkdir -p "$scratch"

# A clean copy: the artifact must not depend on what lies around in the checkout, nor on its ansible.cfg.
tools/copy_checkout.sh "$scratch/source"
: > "$scratch/empty.cfg"
export ANSIBLE_CONFIG=$scratch/empty.cfg ANSIBLE_COLLECTIONS_PATH=$scratch/collections
# kubernetes.core is found in the development environment, where the `ansible` package brought it.
ansible-galaxy collection build --output-path "$scratch" "$scratch/source"
artifact=$(echo "$scratch"/llmops-kubernetes-*.tar.gz)
ansible-galaxy collection install --offline --collections-path "$scratch/collections" "$artifact"

installed=$scratch/collections/ansible_collections/llmops/kubernetes
for unwanted in collections tests tools Makefile build .git ansible.cfg requirements-dev.txt; do
    if [ -e "$installed/$unwanted" ]; then
        echo "error: $unwanted is in the artifact; add it to build_ignore in galaxy.yml" >&2
        exit 1
    fi
done

# From here on nothing of the checkout may help.
cd "$scratch"
names_in() { # folder, extension
    find "$1" -maxdepth 1 -name "*.$2" -printf 'llmops.kubernetes.%f\n' | sed "s/\.$2\$//" | sort
}
mapfile -t modules < <(names_in "$installed/plugins/modules" py)
mapfile -t playbooks < <(names_in "$installed/playbooks" yml)
if [ ${#modules[@]} = 0 ] || [ ${#playbooks[@]} = 0 ]; then
    echo "error: the artifact has ${#modules[@]} modules and ${#playbooks[@]} playbooks; expected some of both" >&2
    exit 1
fi
ansible-doc --type module --json "${modules[@]}" > modules.json
python - modules.json "${modules[@]}" <<'PYTHON'
import json, pathlib, sys

documented = json.loads(pathlib.Path(sys.argv[1]).read_text())
for module in sys.argv[2:]:
    print(f"{module}: {len(documented[module]['doc']['options'])} options, examples: {bool(documented[module]['examples'])}")
PYTHON
ansible-playbook --syntax-check --inventory localhost, "${playbooks[@]}"
echo "$(basename "$artifact"): $(tar --list --file "$artifact" | wc -l) files, installs," \
    "documents ${#modules[@]} modules, plays ${#playbooks[@]} playbooks"
