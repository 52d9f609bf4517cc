// Copyright: (c) 2026, The llmops.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The module that holds the last release of the operator's chart that Go's proxy has; nothing of it is compiled.
module llmops.invalid/gpu_operator

go 1.24.0

require github.com/NVIDIA/gpu-operator v1.11.1
