package kernel

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// FuzzMessages feeds every parser of netlink messages. They come from the
// kernel, but parts of them were written by anybody: none may panic.
func FuzzMessages(f *testing.F) {
	p := handPlan(router.DefaultMask)
	for _, r := range slices.Concat(p.Main, p.Routes) {
		msg, err := routeMessage(r, 3)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
	for _, r := range p.Rules {
		msg, err := ruleMessage(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
	for _, s := range p.Addrs {
		f.Add(addrAttrs(s.Prefix).after(ifaddrmsg(s.Prefix, 3)))
	}
	var hop, multi, link, nested attrs
	hop.addr(unix.RTA_GATEWAY, ip("fd00::1"))
	h := hop.after(binary.NativeEndian.AppendUint32([]byte{28, 0, 4, 0}, 3))
	multi.bytes(unix.RTA_MULTIPATH, slices.Concat(h, h))
	f.Add(multi.after(rtmsg{family: unix.AF_INET6, typ: unix.RTN_UNICAST}.bytes()))
	nested.text(unix.IFLA_INFO_KIND, "bridge")
	link.text(unix.IFLA_IFNAME, "br-lan")
	link.bytes(unix.IFLA_LINKINFO, nested.after(nil))
	f.Add(link.after(ifinfomsg(3, unix.IFF_UP, 0)))
	f.Add(nfMessage(unix.NFPROTO_INET, multi))
	f.Add([]byte{2, 0, 0, 0, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = parseLink(data)
		if a, err := parseAddr(data); err == nil && !a.prefix.IsValid() {
			t.Errorf("address %v", a.prefix)
		}
		hops, err := parseRoute(data)
		for _, h := range hops {
			if err != nil || !h.spec.Dst.IsValid() {
				t.Errorf("route %+v with error %v", h, err)
			}
		}
		if r, ours, err := parseRule(data); err == nil && ours && r.From.IsValid() && r.From.Addr().Is6() != r.IPv6 {
			t.Errorf("rule %+v", r)
		}
		_, _ = parseGen(data)
		_, _, _ = parseChain(data)
		_, _, _ = parseRuleID(data)
		_, _, _ = parseSet(data)
		_, _ = parseElements(data)
	})
}

// TestMessagesReadBack: what is sent parses to what it was made of.
func TestMessagesReadBack(t *testing.T) {
	p := handPlan(0xfc000000)
	for _, want := range slices.Concat(p.Main, p.Routes) {
		msg, err := routeMessage(want, 3)
		if err != nil {
			t.Fatal(err)
		}
		hops, err := parseRoute(msg)
		if err != nil || len(hops) != 1 || hops[0].index != 3 || hops[0].proto != router.Protocol {
			t.Fatalf("%s: %+v, %v", want, hops, err)
		}
		hops[0].spec.Device = want.Device
		diff(t, "route", want, hops[0].spec)
	}
	for _, want := range p.Rules {
		msg, err := ruleMessage(want)
		if err != nil {
			t.Fatal(err)
		}
		got, ours, err := parseRule(msg)
		if err != nil || !ours {
			t.Fatalf("%s: ours %v, %v", want, ours, err)
		}
		diff(t, "rule", want, got)
	}
}

// FuzzHashOf: user data of a rule may be anything.
func FuzzHashOf(f *testing.F) {
	h := router.Rule{router.NoTrack{}}.Hash()
	f.Add(appendHash(nil, h))
	f.Add(append([]byte{0, 3, 'h', 'i', 0}, appendHash(nil, h)...))
	f.Add([]byte{0, 255})
	f.Fuzz(func(t *testing.T, udata []byte) {
		got := hashOf(udata)
		if got != (router.Hash{}) && !slices.ContainsFunc(windows(udata), func(w router.Hash) bool { return w == got }) {
			t.Errorf("hash %x is not in the data", got)
		}
	})
}

func windows(b []byte) (list []router.Hash) {
	for i := 0; i+16 <= len(b); i++ {
		list = append(list, router.Hash(b[i:i+16]))
	}
	return list
}

// FuzzElementKey: what is accepted reads back as it was written, but for the
// spelling of numbers and quotes.
func FuzzElementKey(f *testing.F) {
	f.Add(router.TypeIfName, `"wan1"`)
	f.Add(router.TypeIfNameMark, `"wan1" . 0x00000200`)
	f.Add(router.TypeIfNameMark, "`wan1` . 512")
	f.Fuzz(func(t *testing.T, typ, text string) {
		key, err := elementKey(typ, text)
		if err != nil {
			return
		}
		again, err := elementKey(typ, elementText(key))
		if err != nil || !slices.Equal(again, key) {
			t.Errorf("%q is read as %x, then as %x, %v", text, key, again, err)
		}
	})
}

// FuzzMemory: a broken file in the runtime directory costs the memory and
// nothing else.
func FuzzMemory(f *testing.F) {
	f.Add([]byte(`[{"Device":"wan1","Prefix":"192.0.2.1/24"}]`))
	f.Add([]byte(`{"net/ipv4/conf/wan1/rp_filter":"1"}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`[{"Device":`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{addrFile, sysctlFile} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		log := discard()
		openAddrList(dir, log).add(router.AddrSpec{Device: "wan1", Prefix: prefix("192.0.2.1/24")})
		openSysctls(dir, log).remember("net/ipv4/conf/wan1/rp_filter", "1")
		if s := openSysctls(dir, log); s.original["net/ipv4/conf/wan1/rp_filter"] == "" && len(data) > 0 && data[0] != '{' {
			t.Errorf("not remembered after %q", data)
		}
		if l := openAddrList(dir, log); len(l.addrs) == 0 {
			t.Errorf("not remembered after %q", data)
		}
	})
}
