// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate is a server certificate for 127.0.0.1 and the authority that
// signed it, in memory and as files.
type Certificate struct {
	Pair     tls.Certificate
	Roots    *x509.CertPool
	CAFile   string
	CertFile string
	KeyFile  string

	root    *x509.Certificate
	rootKey *ecdsa.PrivateKey
}

// NewCertificate makes an authority and a server certificate.
func NewCertificate(t *testing.T) *Certificate {
	t.Helper()
	rootKey, key := newKey(t), newKey(t)
	root := template("interop authority")
	root.IsCA = true
	root.KeyUsage = x509.KeyUsageCertSign
	rootDER := sign(t, root, root, &rootKey.PublicKey, rootKey)
	root, err := x509.ParseCertificate(rootDER)
	if err != nil {
		t.Fatal(err)
	}
	server := template("interop server")
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der := sign(t, server, root, &key.PublicKey, rootKey)
	dir := t.TempDir()
	c := &Certificate{
		Pair:     tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		Roots:    x509.NewCertPool(),
		CAFile:   writeFile(t, dir, "ca.pem", certificatePEM(rootDER)),
		CertFile: writeFile(t, dir, "cert.pem", certificatePEM(der)),
		KeyFile:  writeFile(t, dir, "key.pem", keyPEM(t, key)),
		root:     root,
		rootKey:  rootKey,
	}
	c.Roots.AddCert(root)
	return c
}

// CA is the certificate of the authority, in PEM.
func (c *Certificate) CA() []byte {
	return certificatePEM(c.root.Raw)
}

// Client makes a client certificate with a key of its own, both in PEM.
func (c *Certificate) Client(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k := newKey(t)
	return c.ClientFor(t, name, &k.PublicKey), keyPEM(t, k)
}

// ClientFor makes a client certificate for a key that is another's.
func (c *Certificate) ClientFor(t *testing.T, name string, key any) []byte {
	t.Helper()
	client := template(name)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return certificatePEM(sign(t, client, c.root, key, c.rootKey))
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, c, parent *x509.Certificate, key any,
	parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyPEM(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

func writeFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
