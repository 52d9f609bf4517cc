// Copyright: (c) 2026, The llmops.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Modules that hold the CustomResourceDefinitions of routes, which tests install into the cluster: nothing here is
// compiled. `go mod download` checks them by go.sum; tests/tools.yml links where they lie. `go mod tidy` would remove
// them: change a version here, then run `go mod download` for the new sums.
module llmops.invalid/schemas

go 1.24.0

require (
	github.com/openshift/api v0.0.0-20251111193948-50e2ece149d7
	github.com/traefik/traefik/v3 v3.6.12
	istio.io/api v1.30.3
	sigs.k8s.io/gateway-api v1.4.0
)
