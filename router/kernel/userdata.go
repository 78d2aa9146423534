package kernel

import "luatnetd/router"

// udataHash is our private type of user data in a rule. Type 0 is nft's
// comment, 1 belongs to ebtables; nft prints a rule with an unknown type as if
// nothing were there, and loses it when it loads its own listing, so an edited
// rule never keeps the hash of what it was.
const udataHash = 0xf0

func appendHash(b []byte, h router.Hash) []byte {
	return append(append(b, udataHash, byte(len(h))), h[:]...)
}

// hashOf finds our hash in a rule's user data: a list of one byte type, one
// byte length, value, which anybody may have written. The zero hash means that
// there is none, and equals no rule's.
func hashOf(udata []byte) router.Hash {
	for len(udata) >= 2 {
		typ, n := udata[0], int(udata[1])
		udata = udata[2:]
		if n > len(udata) {
			break
		}
		if typ == udataHash && n == len(router.Hash{}) {
			return router.Hash(udata[:n])
		}
		udata = udata[n:]
	}
	return router.Hash{}
}
