// Copyright: (c) 2026, The llmops.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package lego stands in for lego's ACME client in Traefik: no certificates are asked for in a test bed.
//
// The real one brings the software kits of a hundred DNS services, some of which Go's proxy does not give. The packages
// beside this one hold what Traefik's sources name, and a client that refuses.
package lego

import (
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/challenge/dns01"
	"github.com/go-acme/lego/v4/challenge/http01"
	"github.com/go-acme/lego/v4/challenge/tlsalpn01"
	"github.com/go-acme/lego/v4/registration"
)

// LEDirectoryProduction is where the real client asks.
const LEDirectoryProduction = "https://acme-v02.api.letsencrypt.org/directory"

// ErrCut says why there are no certificates.
var ErrCut = errors.New("this Traefik is built without ACME")

// CertificateConfig is a part of Config.
type CertificateConfig struct {
	KeyType           certcrypto.KeyType
	DisableCommonName bool
}

// Config is what Traefik sets.
type Config struct {
	CADirURL, UserAgent string
	HTTPClient          *http.Client
	Certificate         CertificateConfig
}

// Challenges takes providers.
type Challenges struct{}

// SetDNS01Provider refuses.
func (Challenges) SetDNS01Provider(challenge.Provider, ...dns01.ChallengeOption) error { return ErrCut }

// SetHTTP01Provider refuses.
func (Challenges) SetHTTP01Provider(challenge.Provider, ...http01.ChallengeOption) error {
	return ErrCut
}

// SetTLSALPN01Provider refuses.
func (Challenges) SetTLSALPN01Provider(challenge.Provider, ...tlsalpn01.ChallengeOption) error {
	return ErrCut
}

// Certificates gives none.
type Certificates struct{}

// Obtain refuses.
func (Certificates) Obtain(certificate.ObtainRequest) (*certificate.Resource, error) {
	return nil, ErrCut
}

// RenewWithOptions refuses.
func (Certificates) RenewWithOptions(certificate.Resource, *certificate.RenewOptions) (*certificate.Resource, error) {
	return nil, ErrCut
}

// Registrations makes no accounts.
type Registrations struct{}

// Register refuses.
func (Registrations) Register(registration.RegisterOptions) (*registration.Resource, error) {
	return nil, ErrCut
}

// RegisterWithExternalAccountBinding refuses.
func (Registrations) RegisterWithExternalAccountBinding(registration.RegisterEABOptions) (*registration.Resource, error) {
	return nil, ErrCut
}

// Client is never made.
type Client struct {
	Challenge    Challenges
	Certificate  Certificates
	Registration Registrations
}

// NewConfig gives an empty one.
func NewConfig(any) *Config { return &Config{} }

// NewClient refuses.
func NewClient(*Config) (*Client, error) { return nil, ErrCut }

// CreateCertPool refuses.
func CreateCertPool([]string, bool) (*x509.CertPool, error) { return nil, ErrCut }
