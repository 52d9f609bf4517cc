// Copyright: (c) 2026, The llmops.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package registration names accounts.
package registration

// Resource is an account.
type Resource struct {
	URI string `json:"uri,omitempty"`
}

// RegisterOptions asks for one.
type RegisterOptions struct{ TermsOfServiceAgreed bool }

// RegisterEABOptions asks for one by a key.
type RegisterEABOptions struct {
	TermsOfServiceAgreed bool
	Kid, HmacEncoded     string
}
