package kernel

import (
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// rivals are tables of nftables whose owner rules the whole box: it filters
// and translates the same packets as we do, and its next reload would undo us.
var rivals = map[string]string{
	"fw4": "OpenWrt's firewall is active (nftables table inet fw4) and filters and translates the same packets, so nothing is changed; " +
		"run \"/etc/init.d/firewall stop\" and \"/etc/init.d/firewall disable\": luatnetd goes on by itself when the table is gone",
}

// Rival says, in a sentence for the operator, who else owns the packet filter
// of the calling thread's namespace and what to do; "" for nobody.
func Rival() (string, error) {
	r := nfReader{wire{family: unix.NETLINK_NETFILTER}}
	defer r.close()
	msgs, err := r.dump(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETTABLE, nfMessage(unix.NFPROTO_INET, nil))
	if err != nil {
		return "", fmt.Errorf("list nftables tables: %w", err)
	}
	for _, m := range msgs {
		name, err := parseTableName(m.Data)
		if err != nil {
			return "", fmt.Errorf("list nftables tables: %w", err)
		}
		if why := rivals[name]; why != "" {
			return why, nil
		}
	}
	return "", nil
}

func parseTableName(data []byte) (name string, err error) {
	err = each(data, sizeofNfgenmsg, binary.BigEndian, func(ad *netlink.AttributeDecoder) error {
		if ad.Type() == unix.NFTA_TABLE_NAME {
			name = ad.String()
		}
		return nil
	})
	return name, err
}
