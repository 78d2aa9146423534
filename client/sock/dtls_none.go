//go:build !luatnetd_dtls

package sock

import (
	"context"
	"errors"
)

// errNoDTLS is why a connection of kind dtls cannot be made here.
var errNoDTLS = errors.New("this build has no DTLS, which weighs 1 MB; use the Debian package or build with -tags luatnetd_dtls")

func (c *Conn) shakeDTLS(context.Context) error { return errNoDTLS }
