package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// ourAlias is IFLA_IFALIAS of a bridge that we made: only such a device is
// ever removed.
const ourAlias = "luatnetd"

const sizeofIfinfomsg = 16

// extFilterSkipStats leaves the statistics out of a link dump
// (RTEXT_FILTER_SKIP_STATS, linux/rtnetlink.h).
const extFilterSkipStats = 1 << 3

// link is what we need to know of a device.
type link struct {
	index  int
	name   string
	kind   string // "bridge", "veth", "" for hardware
	alias  string
	master int
	up     bool
	mtu    int
}

// ifinfomsg (linux/rtnetlink.h): family, type, index, flags, change.
func ifinfomsg(index int, flags, change uint32) []byte {
	b := make([]byte, 4, sizeofIfinfomsg)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = binary.NativeEndian.AppendUint32(b, flags)
	return binary.NativeEndian.AppendUint32(b, change)
}

func parseLink(data []byte) (l link, err error) {
	if len(data) < sizeofIfinfomsg {
		return l, fmt.Errorf("link message of %d bytes", len(data))
	}
	l.index = int(int32(binary.NativeEndian.Uint32(data[4:])))
	l.up = binary.NativeEndian.Uint32(data[8:])&unix.IFF_UP != 0
	err = each(data, sizeofIfinfomsg, binary.NativeEndian, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case unix.IFLA_IFNAME:
			l.name = ad.String()
		case unix.IFLA_MTU:
			l.mtu = int(ad.Uint32())
		case unix.IFLA_MASTER:
			l.master = int(ad.Uint32())
		case unix.IFLA_IFALIAS:
			l.alias = ad.String()
		case unix.IFLA_LINKINFO:
			ad.Nested(func(nad *netlink.AttributeDecoder) error {
				for nad.Next() {
					if nad.Type() == unix.IFLA_INFO_KIND {
						l.kind = nad.String()
					}
				}
				return nil
			})
		}
		return nil
	})
	return l, err
}

// links lists every device.
func (k *Kernel) links() ([]link, error) {
	var a attrs
	a.u32(unix.IFLA_EXT_MASK, extFilterSkipStats)
	msgs, err := k.dumps.dump(unix.RTM_GETLINK, a.after(ifinfomsg(0, 0, 0)))
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	list := make([]link, 0, len(msgs))
	for _, m := range msgs {
		l, err := parseLink(m.Data)
		if err != nil {
			return nil, fmt.Errorf("list devices: %w", err)
		}
		list = append(list, l)
	}
	return list, nil
}

// link returns the device called name. The error wraps ENODEV if there is none.
func (k *Kernel) link(name string) (link, error) {
	if _, err := ifName(name); err != nil {
		return link{}, err
	}
	var a attrs
	a.text(unix.IFLA_IFNAME, name)
	return k.oneLink(name, a.after(ifinfomsg(0, 0, 0)))
}

func (k *Kernel) linkByIndex(index int) (link, error) {
	return k.oneLink(fmt.Sprint("#", index), ifinfomsg(index, 0, 0))
}

func (k *Kernel) oneLink(name string, request []byte) (link, error) {
	msgs, err := k.rtnl.execute(unix.RTM_GETLINK, 0, request)
	if err != nil {
		return link{}, fmt.Errorf("device %s: %w", name, err)
	}
	if len(msgs) != 1 {
		return link{}, fmt.Errorf("device %s: %d answers", name, len(msgs))
	}
	return parseLink(msgs[0].Data)
}

// makeBridge makes a bridge without spanning tree and without delay: a LAN is
// usable the moment its cable is in. An existing bridge is left as it is.
func (k *Kernel) makeBridge(name string) error {
	if l, err := k.link(name); err == nil {
		if l.kind != "bridge" {
			return fmt.Errorf("bridge %s: a device of that name exists and is no bridge", name)
		}
		return nil
	} else if !errors.Is(err, unix.ENODEV) {
		return err
	}
	var data, info, a attrs
	data.u32(unix.IFLA_BR_STP_STATE, 0)
	data.u32(unix.IFLA_BR_FORWARD_DELAY, 0)
	info.text(unix.IFLA_INFO_KIND, "bridge")
	info.bytes(unix.IFLA_INFO_DATA|unix.NLA_F_NESTED, data.after(nil))
	a.text(unix.IFLA_IFNAME, name)
	a.bytes(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, info.after(nil))
	if err := k.rtnl.do(unix.RTM_NEWLINK, netlink.Create|netlink.Excl, a.after(ifinfomsg(0, 0, 0))); err != nil {
		return fmt.Errorf("make bridge %s: %w", name, err)
	}
	var alias attrs // not taken at creation
	alias.text(unix.IFLA_IFALIAS, ourAlias)
	return k.setLink(name, "alias", 0, 0, alias)
}

// delLink removes a bridge that we made, and nothing else.
func (k *Kernel) delLink(name string) error {
	l, err := k.link(name)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if l.kind != "bridge" || l.alias != ourAlias {
		return fmt.Errorf("delete device %s: we did not make it", name)
	}
	if err := k.rtnl.do(unix.RTM_DELLINK, 0, ifinfomsg(l.index, 0, 0)); err != nil && !gone(err) {
		return fmt.Errorf("delete device %s: %w", name, err)
	}
	return nil
}

func (k *Kernel) setMaster(o router.SetMaster) error {
	index := 0
	if o.Master != "" {
		m, err := k.link(o.Master)
		if err != nil {
			return err
		}
		index = m.index
	}
	var a attrs
	a.u32(unix.IFLA_MASTER, uint32(index))
	return k.setLink(o.Name, "master "+o.Master, 0, 0, a)
}

func (k *Kernel) setUp(o router.SetUp) error {
	if o.Up {
		return k.setLink(o.Name, "up", unix.IFF_UP, unix.IFF_UP, nil)
	}
	return k.setLink(o.Name, "down", 0, unix.IFF_UP, nil)
}

func (k *Kernel) setLink(name, what string, flags, change uint32, a attrs) error {
	l, err := k.link(name)
	if err != nil {
		return err
	}
	if err := k.rtnl.do(unix.RTM_NEWLINK, 0, a.after(ifinfomsg(l.index, flags, change))); err != nil {
		return fmt.Errorf("set device %s %s: %w", name, what, err)
	}
	return nil
}

// names resolves device indexes, each once.
type names struct {
	k     *Kernel
	known map[int]string
}

func (k *Kernel) names(list []link) *names {
	n := &names{k: k, known: make(map[int]string)}
	for _, l := range list {
		n.known[l.index] = l.name
	}
	return n
}

// of returns the device's name; ok is false when it is gone by now.
func (n *names) of(index int) (name string, ok bool) {
	if name, ok = n.known[index]; ok {
		return name, name != ""
	}
	l, err := n.k.linkByIndex(index)
	if err != nil {
		l.name = ""
	}
	n.known[index] = l.name
	return l.name, l.name != ""
}
