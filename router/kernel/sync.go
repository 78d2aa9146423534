package kernel

import (
	"fmt"
	"slices"

	"github.com/google/nftables"

	"luatnetd/router"
)

// sync brings a table that must not be replaced (its counters would be lost)
// to what is wanted, one transaction of single changes. The order of its rules
// means nothing. What nobody of ours has put there goes.
func (n *nft) sync(t router.Table) error {
	p, err := compile(t)
	if err != nil {
		return err
	}
	live, err := n.reader.table(t.Name)
	if err != nil {
		return err
	}
	if live == nil {
		live = &liveTable{}
	}
	c, err := p.changes(live)
	if err != nil {
		return fmt.Errorf("sync table inet %s: %w", t.Name, err)
	}
	if err := n.commit(c.queue, func() bool { return n.synced(p) }); err != nil {
		return fmt.Errorf("sync table inet %s: %w", t.Name, err)
	}
	return nil
}

// synced reports whether nothing is left to do.
func (n *nft) synced(p *program) bool {
	live, err := n.reader.table(p.table.Name)
	if err != nil || live == nil {
		return false
	}
	c, err := p.changes(live)
	return err == nil && c.empty()
}

// changes is the difference between a program and a live table.
type changes struct {
	table       *nftables.Table
	wake        bool
	delRules    []*nftables.Rule
	delChains   []*nftables.Chain
	delSets     []*nftables.Set
	delObjects  []*nftables.NamedObj
	addSets     []setDef
	addElements []setDef
	delElements []setDef
	addObjects  []*nftables.NamedObj
	addChains   []*nftables.Chain
	addRules    []ruleDef
}

func (p *program) changes(live *liveTable) (*changes, error) {
	c := &changes{table: p.table, wake: live.id.Dormant}
	kept := p.chainChanges(live, c)
	p.ruleChanges(live, kept, c)
	if err := p.setChanges(live, c); err != nil {
		return nil, err
	}
	for _, o := range p.counters {
		if !slices.Contains(live.id.Counters, o.Name) {
			c.addObjects = append(c.addObjects, o)
		}
	}
	for _, name := range live.id.Counters {
		if !slices.ContainsFunc(p.counters, func(o *nftables.NamedObj) bool { return o.Name == name }) {
			c.delObjects = append(c.delObjects, foreignObject(p.table, name))
		}
	}
	return c, nil
}

// foreignObject undoes how the reader names an object that is no counter.
func foreignObject(t *nftables.Table, name string) *nftables.NamedObj {
	var kind uint32
	var rest string
	if n, err := fmt.Sscanf(name, "object %d %s", &kind, &rest); err == nil && n == 2 {
		o := counter(t, rest)
		o.Type = nftables.ObjType(kind)
		return o
	}
	return counter(t, name)
}

// chainChanges returns the chains whose live rules may stay. A chain with
// another hook, priority or policy is made anew.
func (p *program) chainChanges(live *liveTable, c *changes) map[string]bool {
	kept := make(map[string]bool)
	for _, l := range live.id.Chains {
		i := slices.IndexFunc(p.chains, func(w *nftables.Chain) bool { return w.Name == l.Name })
		kept[l.Name] = i >= 0 && baseOf(p.chains[i]) == l.Base
		if !kept[l.Name] {
			c.delChains = append(c.delChains, &nftables.Chain{Table: p.table, Name: l.Name})
		}
	}
	for _, w := range p.chains {
		if !kept[w.Name] {
			c.addChains = append(c.addChains, w)
		}
	}
	return kept
}

func baseOf(c *nftables.Chain) string {
	if c.Hooknum == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %d %s", c.Type, hookName(uint32(*c.Hooknum)), *c.Priority, policyName(uint32(*c.Policy)))
}

func (p *program) ruleChanges(live *liveTable, kept map[string]bool, c *changes) {
	type key struct {
		chain string
		hash  router.Hash
	}
	missing := make(map[key]int)
	for _, r := range p.rules {
		missing[key{r.rule.Chain.Name, r.hash}]++
	}
	for _, r := range live.rules {
		k := key{r.chain, r.hash}
		if kept[r.chain] && missing[k] > 0 {
			missing[k]--
			continue
		}
		c.delRules = append(c.delRules, &nftables.Rule{Table: p.table, Chain: &nftables.Chain{Name: r.chain}, Handle: r.handle})
	}
	for _, r := range p.rules {
		k := key{r.rule.Chain.Name, r.hash}
		if missing[k] > 0 {
			missing[k]--
			c.addRules = append(c.addRules, r)
		}
	}
}

func (p *program) setChanges(live *liveTable, c *changes) error {
	for name, kind := range live.setTypes {
		i := slices.IndexFunc(p.sets, func(s setDef) bool { return s.set.Name == name })
		if i < 0 {
			c.delSets = append(c.delSets, &nftables.Set{Table: p.table, Name: name})
			continue
		}
		if kindOf(p.sets[i].set) != kind {
			return fmt.Errorf("set %s is of another type, and rules use it", name)
		}
	}
	for _, want := range p.sets {
		have, ok := live.id.Sets[want.set.Name]
		if !ok {
			c.addSets = append(c.addSets, want)
			continue
		}
		add, del, err := elementChanges(want, have)
		if err != nil {
			return err
		}
		c.addElements, c.delElements = append(c.addElements, add...), append(c.delElements, del...)
	}
	return nil
}

func kindOf(s *nftables.Set) string {
	if s.Concatenation {
		return router.TypeIfNameMark
	}
	return router.TypeIfName
}

// elementChanges returns what to add and remove, each nil or one setDef.
func elementChanges(want setDef, have []string) (add, del []setDef, err error) {
	wanted := make(map[string]bool)
	missing := setDef{set: want.set}
	for _, e := range want.elements {
		text := elementText(e.Key)
		wanted[text] = true
		if !slices.Contains(have, text) {
			missing.elements = append(missing.elements, e)
		}
	}
	surplus := slices.DeleteFunc(slices.Clone(have), func(s string) bool { return wanted[s] })
	extra := setDef{set: want.set}
	extra.elements, err = elements(kindOf(want.set), surplus)
	if err != nil {
		return nil, nil, fmt.Errorf("set %s: %w", want.set.Name, err)
	}
	if len(missing.elements) > 0 {
		add = append(add, missing)
	}
	if len(extra.elements) > 0 {
		del = append(del, extra)
	}
	return add, del, nil
}

func (c *changes) empty() bool {
	return !c.wake && len(c.delRules)+len(c.delChains)+len(c.delSets)+len(c.delObjects)+len(c.addSets)+
		len(c.addElements)+len(c.delElements)+len(c.addObjects)+len(c.addChains)+len(c.addRules) == 0
}

// queue orders the changes so that nothing is referred to that is gone or not
// yet there. AddTable with no flags also wakes a dormant table.
func (c *changes) queue(conn *nftables.Conn) error {
	conn.AddTable(c.table)
	for _, r := range c.delRules {
		if err := conn.DelRule(r); err != nil {
			return err
		}
	}
	for _, chain := range c.delChains {
		conn.DelChain(chain)
	}
	for _, s := range c.delSets {
		conn.DelSet(s)
	}
	for _, o := range c.delObjects {
		conn.DeleteObject(o)
	}
	for _, s := range c.delElements {
		if err := s.change(s.elements, conn.SetDeleteElements); err != nil {
			return err
		}
	}
	for _, s := range c.addElements {
		if err := s.change(s.elements, conn.SetAddElements); err != nil {
			return err
		}
	}
	for _, s := range c.addSets {
		if err := s.queue(conn); err != nil {
			return err
		}
	}
	for _, o := range c.addObjects {
		conn.AddObj(o)
	}
	for _, chain := range c.addChains {
		conn.AddChain(chain)
	}
	for _, r := range c.addRules {
		if err := r.queue(conn); err != nil {
			return err
		}
	}
	return nil
}
