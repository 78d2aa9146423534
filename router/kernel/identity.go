package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"luatnetd/router"
)

// nfgenmsg (linux/netfilter/nfnetlink.h) comes before the attributes.
const sizeofNfgenmsg = 4

// setFlagMap is NFT_SET_MAP: such a set is not ours, whatever its elements.
const setFlagMap, setFlagAnonymous = 0x8, 0x1

// nfReader reads nftables raw: the library's decoder drops or changes four of
// the expressions that we use, refuses padded limits and needs one dump per
// chain. Identity rests on user data only.
type nfReader struct{ wire }

func nfMessage(family byte, a attrs) []byte { return a.after([]byte{family, 0, 0, 0}) }

func (r *nfReader) get(msg uint16, flags netlink.HeaderFlags, family byte, a attrs) ([]netlink.Message, error) {
	return r.execute(unix.NFNL_SUBSYS_NFTABLES<<8|msg, flags, nfMessage(family, a))
}

func (r *nfReader) list(msg uint16, table string, more ...netlink.Attribute) ([]netlink.Message, error) {
	var a attrs
	a.text(1, table) // NFTA_*_TABLE is 1 in every message
	return r.dump(unix.NFNL_SUBSYS_NFTABLES<<8|msg, nfMessage(unix.NFPROTO_INET, append(a, more...)))
}

// generation returns the ruleset's generation number: one more for every
// transaction of anybody in the namespace.
func (r *nfReader) generation() (uint32, error) {
	msgs, err := r.get(unix.NFT_MSG_GETGEN, 0, unix.AF_UNSPEC, nil)
	if err != nil {
		return 0, fmt.Errorf("nftables generation: %w", err)
	}
	if len(msgs) != 1 {
		return 0, fmt.Errorf("nftables generation: %d answers", len(msgs))
	}
	gen, err := parseGen(msgs[0].Data)
	return gen.id, err
}

// generationID is the content of a NEWGEN message.
type generationID struct {
	id, pid uint32
	name    string
}

func parseGen(data []byte) (g generationID, err error) {
	err = each(data, sizeofNfgenmsg, binary.BigEndian, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case unix.NFTA_GEN_ID:
			g.id = ad.Uint32()
		case unix.NFTA_GEN_PROC_PID:
			g.pid = ad.Uint32()
		case unix.NFTA_GEN_PROC_NAME:
			g.name = ad.String()
		}
		return nil
	})
	return g, err
}

// liveTable is a table as it is, with the handles that changing it needs.
type liveTable struct {
	id       router.Identity
	rules    []liveRule
	setTypes map[string]string // named set → router type, "" for a foreign kind
}

type liveRule struct {
	chain  string
	handle uint64
	hash   router.Hash
}

// table reads a table of family inet; nil when there is none.
func (r *nfReader) table(name string) (*liveTable, error) {
	t := &liveTable{setTypes: make(map[string]string)}
	steps := []func(string, *liveTable) error{r.flags, r.chains, r.rules, r.sets, r.objects}
	for _, step := range steps {
		err := step(name, t)
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read table inet %s: %w", name, err)
		}
	}
	return t, nil
}

func (r *nfReader) flags(table string, t *liveTable) error {
	var a attrs
	a.text(unix.NFTA_TABLE_NAME, table)
	msgs, err := r.get(unix.NFT_MSG_GETTABLE, 0, unix.NFPROTO_INET, a)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		err := each(m.Data, sizeofNfgenmsg, binary.BigEndian, func(ad *netlink.AttributeDecoder) error {
			if ad.Type() == unix.NFTA_TABLE_FLAGS {
				t.id.Dormant = ad.Uint32()&unix.NFT_TABLE_F_DORMANT != 0
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// chains reads name, type, hook, priority and policy. The kernel filters by
// family only.
func (r *nfReader) chains(table string, t *liveTable) error {
	msgs, err := r.list(unix.NFT_MSG_GETCHAIN, table)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		c, of, err := parseChain(m.Data)
		if err != nil {
			return err
		}
		if of == table {
			t.id.Chains = append(t.id.Chains, c)
		}
	}
	return nil
}

func parseChain(data []byte) (c router.ChainID, table string, err error) {
	var kind string
	var hook, policy uint32
	var priority int32
	base := false
	err = each(data, sizeofNfgenmsg, binary.BigEndian, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case unix.NFTA_CHAIN_TABLE:
			table = ad.String()
		case unix.NFTA_CHAIN_NAME:
			c.Name = ad.String()
		case unix.NFTA_CHAIN_TYPE:
			kind = ad.String()
		case unix.NFTA_CHAIN_POLICY:
			policy = ad.Uint32()
		case unix.NFTA_CHAIN_HOOK:
			base = true
			ad.Nested(func(nad *netlink.AttributeDecoder) error {
				nad.ByteOrder = binary.BigEndian
				for nad.Next() {
					switch nad.Type() {
					case unix.NFTA_HOOK_HOOKNUM:
						hook = nad.Uint32()
					case unix.NFTA_HOOK_PRIORITY:
						priority = nad.Int32()
					}
				}
				return nil
			})
		}
		return nil
	})
	if base {
		c.Base = fmt.Sprintf("%s %s %d %s", kind, hookName(hook), priority, policyName(policy))
	}
	return c, table, err
}

func hookName(num uint32) string {
	for name, h := range hooks {
		if uint32(*h) == num {
			return name
		}
	}
	return fmt.Sprint("hook", num)
}

func policyName(p uint32) string {
	if nftables.ChainPolicy(p) == nftables.ChainPolicyAccept {
		return "accept"
	}
	return "drop"
}

// rules reads (chain, hash) in the kernel's order.
func (r *nfReader) rules(table string, t *liveTable) error {
	msgs, err := r.list(unix.NFT_MSG_GETRULE, table)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		rule, of, err := parseRuleID(m.Data)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(t.id.Chains, func(c router.ChainID) bool { return c.Name == rule.chain })
		if of != table || i < 0 {
			continue
		}
		t.rules = append(t.rules, rule)
		t.id.Chains[i].Hashes = append(t.id.Chains[i].Hashes, rule.hash)
	}
	return nil
}

func parseRuleID(data []byte) (r liveRule, table string, err error) {
	err = each(data, sizeofNfgenmsg, binary.BigEndian, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case unix.NFTA_RULE_TABLE:
			table = ad.String()
		case unix.NFTA_RULE_CHAIN:
			r.chain = ad.String()
		case unix.NFTA_RULE_HANDLE:
			r.handle = ad.Uint64()
		case unix.NFTA_RULE_USERDATA:
			r.hash = hashOf(ad.Bytes())
		}
		return nil
	})
	return r, table, err
}

// sets reads the named sets and their elements.
func (r *nfReader) sets(table string, t *liveTable) error {
	msgs, err := r.list(unix.NFT_MSG_GETSET, table)
	if err != nil {
		return err
	}
	t.id.Sets = make(map[string][]string)
	for _, m := range msgs {
		s, of, err := parseSet(m.Data)
		if err != nil {
			return err
		}
		if of != table || s.flags&setFlagAnonymous != 0 {
			continue
		}
		t.setTypes[s.name] = s.kind()
		if t.setTypes[s.name] == "" {
			t.id.Sets[s.name] = []string{"a kind of set that is not ours"}
			continue
		}
		t.id.Sets[s.name], err = r.elements(table, s.name)
		if err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	return nil
}

type setID struct {
	name          string
	flags, keyLen uint32
}

// kind is the router's word for the set, "" for one that is not ours.
func (s setID) kind() string {
	switch {
	case s.flags&setFlagMap != 0:
		return ""
	case s.keyLen == unix.IFNAMSIZ:
		return router.TypeIfName
	case s.keyLen == unix.IFNAMSIZ+4:
		return router.TypeIfNameMark
	}
	return ""
}

func parseSet(data []byte) (s setID, table string, err error) {
	err = each(data, sizeofNfgenmsg, binary.BigEndian, func(ad *netlink.AttributeDecoder) error {
		switch ad.Type() {
		case unix.NFTA_SET_TABLE:
			table = ad.String()
		case unix.NFTA_SET_NAME:
			s.name = ad.String()
		case unix.NFTA_SET_FLAGS:
			s.flags = ad.Uint32()
		case unix.NFTA_SET_KEY_LEN:
			s.keyLen = ad.Uint32()
		}
		return nil
	})
	return s, table, err
}

func (r *nfReader) elements(table, set string) ([]string, error) {
	var a attrs
	a.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	msgs, err := r.list(unix.NFT_MSG_GETSETELEM, table, a...)
	if err != nil {
		return nil, err
	}
	list := []string{}
	for _, m := range msgs {
		keys, err := parseElements(m.Data)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			list = append(list, elementText(key))
		}
	}
	slices.Sort(list)
	return list, nil
}

// parseElements returns the keys: list → element → key → value.
func parseElements(data []byte) (keys [][]byte, err error) {
	nested := func(ad *netlink.AttributeDecoder, typ uint16, f func(ad *netlink.AttributeDecoder) error) error {
		if ad.Type() == typ {
			ad.Nested(func(nad *netlink.AttributeDecoder) error {
				for nad.Next() {
					if err := f(nad); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return nil
	}
	err = each(data, sizeofNfgenmsg, binary.BigEndian, func(ad *netlink.AttributeDecoder) error {
		return nested(ad, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(ad *netlink.AttributeDecoder) error {
			return nested(ad, unix.NFTA_LIST_ELEM, func(ad *netlink.AttributeDecoder) error {
				return nested(ad, unix.NFTA_SET_ELEM_KEY, func(ad *netlink.AttributeDecoder) error {
					if ad.Type() == unix.NFTA_DATA_VALUE {
						keys = append(keys, ad.Bytes())
					}
					return nil
				})
			})
		})
	})
	return keys, err
}

// objects reads the named counters. Another kind of object is listed with its
// number, which equals no counter of a plan.
func (r *nfReader) objects(table string, t *liveTable) error {
	msgs, err := r.list(unix.NFT_MSG_GETOBJ, table)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		var of, name string
		var kind uint32
		err := each(m.Data, sizeofNfgenmsg, binary.BigEndian, func(ad *netlink.AttributeDecoder) error {
			switch ad.Type() {
			case unix.NFTA_OBJ_TABLE:
				of = ad.String()
			case unix.NFTA_OBJ_NAME:
				name = ad.String()
			case unix.NFTA_OBJ_TYPE:
				kind = ad.Uint32()
			}
			return nil
		})
		if err != nil {
			return err
		}
		if kind != uint32(nftables.ObjTypeCounter) {
			name = fmt.Sprintf("object %d %s", kind, name)
		}
		if of == table {
			t.id.Counters = append(t.id.Counters, name)
		}
	}
	slices.Sort(t.id.Counters)
	return nil
}
