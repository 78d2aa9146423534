package kernel

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"luatnetd/internal/lab"
	"luatnetd/router"
)

// TestListingEqualsNft loads the same table through the library and, as text,
// through nft, and compares what nft lists and the byte code.
func TestListingEqualsNft(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		for _, m := range []router.Marks{router.DefaultMask, 0x3f, 0xfc000000, 0x3f0000} {
			t.Run(fmt.Sprintf("mask %#x", uint32(m)), func(t *testing.T) {
				b, other := newBox(t, Config{Marks: m})
				table, acct := ruleset(m), accounting("wan1", "wan2")
				b.mustApply(t, router.ReplaceTable{Table: table}, router.SyncTable{Table: acct})
				load(t, other, table.String()+acct.String())

				want, got := other.MustRun(t, "nft", "-s", "list", "ruleset"), b.ns.MustRun(t, "nft", "-s", "list", "ruleset")
				diff(t, "nft -s list ruleset", lines(want), lines(got))
				for _, name := range []string{table.Name, acct.Name} {
					want, got := byteCode(other.MustRun(t, "nft", "--debug=netlink", "list", "table", "inet", name)), byteCode(b.ns.MustRun(t, "nft", "--debug=netlink", "list", "table", "inet", name))
					diff(t, "byte code of "+name, want, got)
				}
				// What nft lists must load again.
				b.mustApply(t, router.DelTable{Name: table.Name}, router.DelTable{Name: acct.Name})
				load(t, b.ns, got)
				diff(t, "reloaded listing", lines(want), lines(b.ns.MustRun(t, "nft", "-s", "list", "ruleset")))
			})
		}
	})
}

var (
	handles = regexp.MustCompile(`^(inet luatnetd\S* \S+) \d+( \d+)?`)
	setNums = regexp.MustCompile(`__set\d+`)
	userdat = regexp.MustCompile(`userdata = \{.* \}`)
)

// byteCode normalises a debug listing: handles, set numbers, user data and the
// order of set elements differ between two loads of one text. nft merges two
// ports into one load of four bytes; that pair is written as it writes it.
func byteCode(s string) []string {
	var list []string
	for _, l := range lines(s) {
		l = strings.TrimSpace(userdat.ReplaceAllString(setNums.ReplaceAllString(handles.ReplaceAllString(l, "$1"), "__set"), ""))
		if strings.HasPrefix(l, "element ") {
			parts := strings.Split(l, "element ")
			slices.Sort(parts)
			l = strings.Join(parts, "element ")
		}
		if l == "[ cmp eq reg 1 0x00004300 ]" && len(list) > 0 { // udp sport 67
			list = append(list[:len(list)-1], "[ udp sport 67 dport 68 ]")
			continue
		}
		if l == "[ cmp eq reg 1 0x44004300 ]" {
			list = append(list[:len(list)-1], "[ udp sport 67 dport 68 ]")
			continue
		}
		if n := len(list); n > 0 && list[n-1] == "[ udp sport 67 dport 68 ]" && (l == "[ payload load 2b @ transport header + 2 => reg 1 ]" || l == "[ cmp eq reg 1 0x00004400 ]") {
			continue
		}
		list = append(list, l)
		for i := len(list) - 1; i > 0 && strings.HasPrefix(l, "element ") && strings.HasPrefix(list[i-1], "element ") && list[i] < list[i-1]; i-- {
			list[i], list[i-1] = list[i-1], list[i]
		}
	}
	return list
}

// TestRefusedBeforeQueued: a table that cannot be loaded changes nothing, and
// the connection is not poisoned for the next one.
func TestRefusedBeforeQueued(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		good := ruleset(router.DefaultMask)
		b.mustApply(t, router.ReplaceTable{Table: good})
		before := b.sh(t, "nft -s list ruleset")
		long := router.Rule{router.IfName{Name: "a-name-longer-than-15"}}
		for name, r := range map[string]router.Rule{
			"reset outside of tcp": {router.L4Proto("udp"), router.Reject{With: "tcp reset"}},
			"no such chain":        {router.Verdict{Kind: "jump", Chain: "c_none"}},
			"no such set":          {router.IfName{Set: "s_none"}},
			"no such counter":      {router.Counter{Name: "n_none"}},
			"long device name":     long,
			"empty device name":    {router.IfName{}},
			"unknown verdict":      {router.Verdict{Kind: "queue"}},
			"unknown protocol":     {router.L4Proto("sctp")},
			"port without proto":   {router.DNAT{Addr: ip("192.0.2.1"), Lo: 1, Hi: 1}},
			"dnat to nothing":      {router.DNAT{}},
			"unknown statement":    {strange{}},
		} {
			bad := ruleset(router.DefaultMask)
			bad.Chains[0].Rules = append(bad.Chains[0].Rules, r)
			if got := b.apply(router.ReplaceTable{Table: bad}); len(got) != 1 {
				t.Errorf("%s: failures %v, want one", name, got)
			}
		}
		foreign := good
		foreign.Name = "fw4"
		for _, op := range []router.Op{router.ReplaceTable{Table: foreign}, router.SyncTable{Table: foreign}, router.DelTable{Name: "fw4"}} {
			if got := b.apply(op); len(got) != 1 {
				t.Errorf("%s: failures %v, want one", op, got)
			}
		}
		diff(t, "ruleset after refused tables", lines(before), lines(b.sh(t, "nft -s list ruleset")))
		b.mustApply(t, router.SyncTable{Table: accounting("wan1")})
		if got := b.sh(t, "nft list tables"); got != "table inet luatnetd\ntable inet luatnetd_acct\n" {
			t.Errorf("tables = %q", got)
		}
	})
}

type strange struct{}

func (strange) String() string { return "strange" }

// TestLargeSet: beyond 64 KiB an attribute wraps without an error.
func TestLargeSet(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		table := router.Table{Name: router.TableName}
		set := router.Set{Name: "s_stale", Type: router.TypeIfNameMark}
		for i := range 5000 {
			set.Elements = append(set.Elements, fmt.Sprintf(`"d%d" . %#08x`, i, i))
		}
		slices.Sort(set.Elements)
		table.Sets = []router.Set{set}
		b.mustApply(t, router.ReplaceTable{Table: table})
		diff(t, "elements", set.Elements, b.read(t, router.Plan{}).Table.Sets["s_stale"])
	})
}

func TestElementKey(t *testing.T) {
	for _, tt := range []struct{ typ, text string }{
		{router.TypeIfName, `"wan1"`}, {router.TypeIfName, `"123456789012345"`},
		{router.TypeIfNameMark, `"wan1" . 0x00000200`}, {router.TypeIfNameMark, `"a.b" . 0xfc000000`},
	} {
		key, err := elementKey(tt.typ, tt.text)
		if err != nil {
			t.Errorf("elementKey(%q): %v", tt.text, err)
		} else if got := elementText(key); got != tt.text {
			t.Errorf("elementText(elementKey(%q)) = %q", tt.text, got)
		}
	}
	for _, tt := range []struct{ typ, text string }{
		{router.TypeIfName, `wan1`}, {router.TypeIfName, `""`}, {router.TypeIfName, `"wan1" . 0x1`},
		{router.TypeIfName, `"1234567890123456"`}, {router.TypeIfName, `"a\x00b"`},
		{router.TypeIfNameMark, `"wan1"`}, {router.TypeIfNameMark, `"wan1" . x`}, {router.TypeIfNameMark, `"wan1" . 0x100000000`},
	} {
		if key, err := elementKey(tt.typ, tt.text); err == nil {
			t.Errorf("elementKey(%q) = %x, want an error", tt.text, key)
		}
	}
}
