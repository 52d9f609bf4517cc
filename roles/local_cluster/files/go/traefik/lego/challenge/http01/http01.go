// Copyright: (c) 2026, The llmops.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package http01 names options of challenges by HTTP.
package http01

import "time"

// ChallengeOption is an option.
type ChallengeOption func()

// SetDelay does nothing.
func SetDelay(time.Duration) ChallengeOption { return nil }

// ChallengePath is where a challenge is answered.
func ChallengePath(token string) string { return "/.well-known/acme-challenge/" + token }
