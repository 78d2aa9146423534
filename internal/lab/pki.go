package lab

import (
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

// PKI is a certificate authority with one server and one client, as files.
type PKI struct {
	CA, ServerCert, ServerKey, ClientCert, ClientKey string // paths of PEM files
}

// NewPKI makes an authority whose server is called host and has the address
// addr. The files are made in dir.
func NewPKI(dir, host, addr string) (PKI, error) {
	path := func(name string) string { return filepath.Join(dir, name) }
	p := PKI{path("ca.pem"), path("server.pem"), path("server.key"), path("client.pem"), path("client.key")}
	ca := template("luatnetd test CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	server := template(host)
	server.DNSNames, server.IPAddresses = []string{host}, []net.IP{net.ParseIP(addr)}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := template("gateway-1")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}

	key, err := issue(ca, ca, nil, p.CA, path("ca.key"))
	if err == nil {
		_, err = issue(server, ca, key, p.ServerCert, p.ServerKey)
	}
	if err == nil {
		_, err = issue(client, ca, key, p.ClientCert, p.ClientKey)
	}
	if err != nil {
		return PKI{}, fmt.Errorf("test certificates: %w", err)
	}
	return p, nil
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic(err)
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// issue signs cert with the issuer's key, nil for the certificate's own, and
// writes it with its key.
func issue(cert, issuer *x509.Certificate, by *ecdsa.PrivateKey, certFile, keyFile string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, issuer, &key.PublicKey, by)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, err
		}
	}
	return key, nil
}
