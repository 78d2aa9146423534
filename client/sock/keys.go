package sock

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/youmark/pkcs8"
)

// errPassword is a private key that its password does not open. The password
// itself is never part of a message.
var errPassword = errors.New("the password does not open it; correct key_password")

// pair reads our certificate and its key.
func (t *TLS) pair() (*tls.Certificate, error) {
	password := t.Password
	if t.PasswordFile != "" {
		b, err := os.ReadFile(t.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("key_password_file: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	return readPair(t.Cert, t.Key, password)
}

// readPair reads our certificate and its key, which may be encrypted: PKCS #8
// (RFC 8018) or the older DEK-Info of PEM (RFC 1423).
func readPair(certFile, keyFile, password string) (*tls.Certificate, error) {
	if keyFile == "" {
		return nil, fmt.Errorf("cert: %s has no key; name its file in key", certFile)
	}
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	plain, err := openKey(text, password)
	if err != nil {
		return nil, fmt.Errorf("key: %s: %w", keyFile, err)
	}
	pair, err := tls.X509KeyPair(cert, plain)
	if err != nil {
		return nil, fmt.Errorf("certificate %s and key %s: %w", certFile, keyFile, err)
	}
	return &pair, nil
}

// openKey returns the PEM text of a key without its encryption.
func openKey(text []byte, password string) ([]byte, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("no private key (expected -----BEGIN PRIVATE KEY----- or alike)")
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY":
			if password == "" {
				return nil, errors.New("it is encrypted; set key_password")
			}
			return openPKCS8(block.Bytes, password)
		//lint:ignore SA1019 RFC 1423 is weak, but tools in the field still write it
		case x509.IsEncryptedPEMBlock(block):
			if password == "" {
				return nil, errors.New("it is encrypted; set key_password")
			}
			//lint:ignore SA1019 as above
			der, err := x509.DecryptPEMBlock(block, []byte(password))
			if err != nil || !isKey(der) { // 1 wrong password in 256 gives a valid padding, and noise
				return nil, errPassword
			}
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
		case len(block.Type) >= 11 && block.Type[len(block.Type)-11:] == "PRIVATE KEY":
			return pem.EncodeToMemory(block), nil
		}
	}
}

// openPKCS8 returns the PEM text of an encrypted PKCS #8 key. The library
// panics over a file that is cut or has a wrong initialisation vector.
func openPKCS8(der []byte, password string) (text []byte, err error) {
	defer func() {
		if recover() != nil {
			text, err = nil, errors.New("it is damaged: its encrypted part has no proper length")
		}
	}()
	key, err := pkcs8.ParsePKCS8PrivateKey(der, []byte(password))
	if err != nil {
		return nil, openError(err)
	}
	return encode(key)
}

// openError tells a wrong password from a file that no password opens.
func openError(err error) error {
	for _, word := range []string{"unsupported", "only PBES2", "only PKCS #5", "invalid"} { // its errors have no types
		if strings.Contains(err.Error(), word) {
			return fmt.Errorf("its encryption cannot be read, PBES2 with AES can: %s", strings.TrimPrefix(err.Error(), "pkcs8: "))
		}
	}
	return errPassword
}

// isKey reports whether der is a private key in one of the forms that TLS takes.
func isKey(der []byte) bool {
	_, pkcs1 := x509.ParsePKCS1PrivateKey(der)
	_, ec := x509.ParseECPrivateKey(der)
	_, p8 := x509.ParsePKCS8PrivateKey(der)
	return pkcs1 == nil || ec == nil || p8 == nil
}

func encode(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
