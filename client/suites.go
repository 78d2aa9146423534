package client

import "slices"

// What DTLS 1.2 can be told to use, by IANA name (RFC 5246, 5487, 6655, 7251,
// 7905): what pion/dtls lists. Go's crypto/tls does not know those with a shared key, nor CCM.
var (
	dtlsPSKSuites = []string{
		"TLS_PSK_WITH_AES_128_CCM", "TLS_PSK_WITH_AES_128_CCM_8", "TLS_PSK_WITH_AES_256_CCM_8",
		"TLS_PSK_WITH_AES_128_GCM_SHA256",
		"TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
	}
	dtlsCertSuites = []string{
		"TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	}
)

// DTLSSuites are the names of the cipher suites of DTLS, with a shared key or
// with certificates. The caller owns the list.
func DTLSSuites(psk bool) []string {
	if psk {
		return slices.Clone(dtlsPSKSuites)
	}
	return slices.Clone(dtlsCertSuites)
}
