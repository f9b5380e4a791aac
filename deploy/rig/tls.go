package rig

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// TLSFiles are paths of PEM files.
type TLSFiles struct{ CA, Cert, Key string }

// TLSFiles are what a client of the host's engine needs. The authority is the
// host's own: files of another host are refused.
func (h *Host) TLSFiles() TLSFiles { return h.pemFiles("client") }

// TLSURL is the engine's address for clients with [Host.TLSFiles].
func (h *Host) TLSURL() string { return fmt.Sprintf("tcp://%s:%d", h.Address, TLSPort) }

func (h *Host) serverFiles() TLSFiles { return h.pemFiles("server") }

func (h *Host) pemFiles(side string) TLSFiles {
	folder := filepath.Join(h.folder, "tls")
	return TLSFiles{
		CA: filepath.Join(folder, "ca.pem"), Cert: filepath.Join(folder, side+".pem"), Key: filepath.Join(folder, side+"-key.pem"),
	}
}

// certify makes an authority and signs a certificate for either side.
func (h *Host) certify(context.Context) error {
	if err := os.Mkdir(filepath.Join(h.folder, "tls"), 0o700); err != nil {
		return err
	}
	authority := template(h.Name + " authority")
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := issue(authority, authority, key, key, TLSFiles{Cert: h.serverFiles().CA}); err != nil {
		return err
	}
	server := template(h.Name)
	server.IPAddresses = []net.IP{h.Address.AsSlice()}
	server.DNSNames = []string{h.Name}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := template("teal")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, one := range []struct {
		cert  *x509.Certificate
		files TLSFiles
	}{{server, h.serverFiles()}, {client, h.TLSFiles()}} {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if err := issue(one.cert, authority, own, key, one.files); err != nil {
			return err
		}
	}
	return nil
}

// template is a certificate that is good for a day.
func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// issue writes cert, signed by its issuer, and its key if files names one.
func issue(cert, issuer *x509.Certificate, key, issuerKey *ecdsa.PrivateKey, files TLSFiles) error {
	der, err := x509.CreateCertificate(rand.Reader, cert, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		return fmt.Errorf("sign the certificate of %s: %w", cert.Subject.CommonName, err)
	}
	if err := writePEM(files.Cert, "CERTIFICATE", der); err != nil {
		return err
	}
	if files.Key == "" {
		return nil
	}
	if der, err = x509.MarshalECPrivateKey(key); err != nil {
		return err
	}
	return writePEM(files.Key, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
