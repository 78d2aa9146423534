package kernel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"

	"luatnetd/internal/lab"
	"luatnetd/router"
)

// TestIdentityNotices: every change from outside makes the identity differ
// from the plan's, and replacing (or syncing) makes it equal again.
func TestIdentityNotices(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		table := ruleset(router.DefaultMask)
		b.mustApply(t, router.ReplaceTable{Table: table})
		want := wantedID(table)
		diff(t, "identity after loading", &want, b.read(t, router.Plan{}).Table)

		// handle of the n-th rule of a chain, in shell
		handle := `h() { nft -a list chain inet luatnetd $1 | sed -n 's/.* # handle \([0-9]*\)$/\1/p' | sed -n "$2p"; }; `
		for name, script := range map[string]string{
			"rule replaced by its own text": handle + `nft replace rule inet luatnetd c_out handle $(h c_out 3) ct state related accept`,
			"rule inserted":                 `nft insert rule inet luatnetd c_fwd accept`,
			"rule added":                    `nft add rule inet luatnetd c_out accept`,
			"rule deleted":                  handle + `nft delete rule inet luatnetd c_in_wan handle $(h c_in_wan 2)`,
			"chain flushed":                 `nft flush chain inet luatnetd c_from_lan`,
			"element added":                 `nft add element inet luatnetd s_lan '{ "eth9" }'`,
			"element removed":               `nft delete element inet luatnetd s_wan '{ "wan2" }'`,
			"stale element removed":         `nft delete element inet luatnetd s_stale '{ "wan2" . 0x100 }'`,
			"policy changed":                `nft chain inet luatnetd c_fwd '{ policy drop; }'`,
			"base chain added":              `nft add chain inet luatnetd c_new '{ type filter hook forward priority 5; }'`,
			"chain added":                   `nft add chain inet luatnetd c_new`,
			"set added":                     `nft add set inet luatnetd s_new '{ type ifname; }'`,
			"map added":                     `nft add map inet luatnetd s_new '{ type ifname : mark; }'`,
			"counter added":                 `nft add counter inet luatnetd n_new`,
			"quota added":                   `nft add quota inet luatnetd n_new '{ over 5 mbytes }'`,
			"table made dormant":            `nft add table inet luatnetd '{ flags dormant; }'`,
			"table deleted":                 `nft delete table inet luatnetd`,
			"ruleset flushed":               `nft flush ruleset`,
			"listing loaded again":          `nft -s list ruleset > /run/x; nft flush ruleset; nft -f /run/x`,
		} {
			b.sh(t, script)
			if got := b.read(t, router.Plan{}).Table; got != nil && identical(*got, want) {
				t.Errorf("%s: not noticed", name)
			}
			b.mustApply(t, router.ReplaceTable{Table: table})
			if got := b.read(t, router.Plan{}).Table; got == nil || !identical(*got, want) {
				t.Fatalf("%s: not repaired: %+v", name, got)
			}
		}
	})
}

// TestIdentityIsCheap: without a transaction of anybody nothing is read again.
func TestIdentityIsCheap(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		b.mustApply(t, router.ReplaceTable{Table: ruleset(router.DefaultMask)}, router.SyncTable{Table: accounting("wan1")})
		b.ns.MustDo(t, func() error {
			n := b.k.nft
			if _, err := n.identity(router.TableName); err != nil {
				return err
			}
			first := n.tables[router.TableName]
			const rounds = 200
			start := time.Now()
			for range rounds {
				if _, err := n.identity(router.TableName); err != nil {
					return err
				}
			}
			t.Logf("identity, nothing changed: %v", time.Since(start)/rounds)
			if n.tables[router.TableName] != first {
				return fmt.Errorf("the table was read again")
			}
			start = time.Now()
			for range rounds {
				n.tables = nil
				if _, err := n.identity(router.TableName); err != nil {
					return err
				}
			}
			t.Logf("identity, whole read: %v", time.Since(start)/rounds)
			return nil
		})
		b.sh(t, `nft add table ip other`)
		b.ns.MustDo(t, func() error {
			first := b.k.nft.tables[router.TableName]
			_, err := b.k.nft.identity(router.TableName)
			if b.k.nft.tables[router.TableName] == first {
				t.Error("a foreign transaction was not noticed")
			}
			return err
		})
	})
}

// TestSyncKeepsCounters: what is right stays, with its numbers.
func TestSyncKeepsCounters(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		is := func(name string, table router.Table) {
			t.Helper()
			want, got := wantedID(table), b.read(t, router.Plan{}).Acct
			if got == nil {
				t.Fatalf("%s: no table", name)
			}
			diff(t, name+": rules", ordered(want.Chains[0].Hashes), ordered(got.Chains[0].Hashes))
			got.Chains[0].Hashes, want.Chains[0].Hashes = nil, nil
			diff(t, name, want, *got)
		}
		one, two := accounting("wan1"), accounting("wan1", "wan2")
		b.mustApply(t, router.SyncTable{Table: one})
		is("one uplink", one)
		// A number in the counter that a replacement would lose.
		b.sh(t, `nft delete rule inet luatnetd_acct c_acct handle $(nft -a list chain inet luatnetd_acct c_acct | sed -n 's/.*down.*handle //p')
			nft delete counter inet luatnetd_acct n_wan1_down
			nft add counter inet luatnetd_acct n_wan1_down '{ packets 7 bytes 700 }'`)
		steps := []struct {
			name   string
			script string
			table  router.Table
		}{
			{"rule missing", "true", one},
			{"same again", "true", one},
			{"second uplink", "true", two},
			{"foreign rule", `nft add rule inet luatnetd_acct c_acct accept`, two},
			{"foreign element", `nft add element inet luatnetd_acct s_lan '{ "eth9" }'`, two},
			{"element missing", `nft delete element inet luatnetd_acct s_lan '{ "lan0" }'`, two},
			{"foreign chain with a rule", `nft add chain inet luatnetd_acct c_x; nft add rule inet luatnetd_acct c_x accept`, two},
			{"policy", `nft chain inet luatnetd_acct c_acct '{ policy drop; }'`, two},
			{"dormant", `nft add table inet luatnetd_acct '{ flags dormant; }'`, two},
			{"foreign quota", `nft add quota inet luatnetd_acct n_q '{ over 5 mbytes }'`, two},
			{"foreign set", `nft add set inet luatnetd_acct s_x '{ type ifname; }'`, two},
			{"uplink gone", "true", one},
		}
		for _, s := range steps {
			b.sh(t, s.script)
			b.mustApply(t, router.SyncTable{Table: s.table})
			is(s.name, s.table)
			if out := b.sh(t, "nft list counter inet luatnetd_acct n_wan1_down"); !strings.Contains(out, "packets 7 bytes 700") {
				t.Fatalf("%s: the counter lost its number: %s", s.name, out)
			}
		}
		gen := b.sh(t, "nft list ruleset")
		b.mustApply(t, router.SyncTable{Table: one})
		diff(t, "sync without a difference", gen, b.sh(t, "nft list ruleset"))
		b.mustApply(t, router.DelTable{Name: router.AcctName}, router.DelTable{Name: router.AcctName})
		if got := b.read(t, router.Plan{}).Acct; got != nil {
			t.Errorf("table is still there: %+v", got)
		}
	})
}

func ordered(h []router.Hash) map[router.Hash]int {
	m := make(map[router.Hash]int)
	for _, x := range h {
		m[x]++
	}
	return m
}

// TestBatchErrorIsReadBack: an error of the connection is no proof that the
// kernel refused, and never leaves a poisoned connection behind.
func TestBatchErrorIsReadBack(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		table := ruleset(router.DefaultMask)
		small := func() error {
			n := b.k.nft
			if _, err := n.command(); err != nil {
				return err
			}
			return n.socket.SetReadBuffer(4 << 10) // ENOBUFS, with everything applied
		}
		b.ns.MustDo(t, small)
		b.mustApply(t, router.ReplaceTable{Table: table})
		if b.k.nft.conn != nil {
			t.Error("the connection survived ENOBUFS")
		}
		want := wantedID(table)
		if got := b.read(t, router.Plan{}).Table; got == nil || !identical(*got, want) {
			t.Errorf("table not as wanted: %+v", got)
		}
		b.ns.MustDo(t, small)
		b.mustApply(t, router.SyncTable{Table: accounting("wan1", "wan2")})
		// A half-queued batch must not go out with the next one.
		b.ns.MustDo(t, func() error {
			err := b.k.nft.commit(func(c *nftables.Conn) error {
				c.DelTable(&nftables.Table{Name: table.Name, Family: nftables.TableFamilyINet})
				return fmt.Errorf("stop here")
			}, func() bool { return false })
			if err == nil {
				t.Error("commit of a broken batch: no error")
			}
			return nil
		})
		b.mustApply(t, router.SyncTable{Table: accounting("wan1")})
		if got := b.read(t, router.Plan{}).Table; got == nil || !identical(*got, want) {
			t.Errorf("the half-built batch went out: %+v", got)
		}
	})
}

func TestForeignIsTold(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		b, _ := newBox(t, Config{})
		b.mustApply(t, router.ReplaceTable{Table: ruleset(router.DefaultMask)}, router.SyncTable{Table: accounting("wan1")})
		b.ns.MustDo(t, func() error { b.k.nft.drop(); return nil })
		b.mustApply(t, router.ReplaceTable{Table: ruleset(router.DefaultMask)})
		b.sh(t, "for i in 1 2 3; do nft add table ip other$i; done")
		select {
		case who := <-b.k.Foreign():
			if who != "nft" {
				t.Errorf("who = %q, want nft: our own changes are not foreign", who)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no word of a foreign transaction")
		}
		if b.k.foreign.who() != "nft" {
			t.Errorf("who() = %q", b.k.foreign.who())
		}
	})
}

func TestHashOf(t *testing.T) {
	h := router.Rule{router.NoTrack{}}.Hash()
	with := appendHash(nil, h)
	for _, tt := range []struct {
		name  string
		udata []byte
		want  router.Hash
	}{
		{"empty", nil, router.Hash{}},
		{"ours", with, h},
		{"after a comment", append([]byte{0, 3, 'h', 'i', 0}, with...), h},
		{"before a comment", append(appendHash(nil, h), 0, 1, 0), h},
		{"cut off", with[:len(with)-1], router.Hash{}},
		{"length beyond the end", []byte{0, 200, 1}, router.Hash{}},
		{"lone type", []byte{udataHash}, router.Hash{}},
		{"wrong length", append([]byte{udataHash, 15}, h[:15]...), router.Hash{}},
	} {
		if got := hashOf(tt.udata); got != tt.want {
			t.Errorf("%s: hashOf = %x, want %x", tt.name, got, tt.want)
		}
	}
}
