package kernel

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"luatnetd/router"
)

// program is a whole table as library values, validated, ready to be queued
// without a chance to fail half-way: what is queued cannot be taken back, and
// a half-built batch that begins with "delete table" would go out with the
// next Flush.
type program struct {
	table    *nftables.Table
	sets     []setDef
	counters []*nftables.NamedObj
	chains   []*nftables.Chain
	rules    []ruleDef
}

// ruleDef is a rule and the anonymous sets that must be queued before it.
type ruleDef struct {
	hash router.Hash
	anon []setDef
	rule *nftables.Rule
}

var hooks = map[string]*nftables.ChainHook{
	"prerouting": nftables.ChainHookPrerouting, "input": nftables.ChainHookInput, "forward": nftables.ChainHookForward,
	"output": nftables.ChainHookOutput, "postrouting": nftables.ChainHookPostrouting,
}

// compile lowers a table.
func compile(t router.Table) (*program, error) {
	if !ours(t.Name) {
		return nil, fmt.Errorf("table %q: not one of ours", t.Name)
	}
	p := &program{table: &nftables.Table{Name: t.Name, Family: nftables.TableFamilyINet}}
	var lastID uint32
	newID := func() uint32 { lastID++; return lastID }
	named := make(map[string]*nftables.Set)
	for _, s := range t.Sets {
		def, err := namedSet(p.table, s, newID())
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
		named[s.Name] = def.set
		p.sets = append(p.sets, def)
	}
	counters := make(map[string]bool)
	for _, name := range t.Counters {
		counters[name] = true
		p.counters = append(p.counters, counter(p.table, name))
	}
	chains := make(map[string]*nftables.Chain)
	for _, c := range t.Chains {
		chain, err := p.chain(c)
		if err != nil {
			return nil, fmt.Errorf("table %s: chain %s: %w", t.Name, c.Name, err)
		}
		chains[c.Name] = chain
		p.chains = append(p.chains, chain)
	}
	if len(named) != len(t.Sets) || len(chains) != len(t.Chains) || len(counters) != len(t.Counters) {
		return nil, fmt.Errorf("table %s: a name is used twice", t.Name)
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			l := &lowerer{table: p.table, named: named, newID: newID}
			def, err := l.rule(chains[c.Name], r)
			if err == nil {
				err = references(r, chains, counters)
			}
			if err != nil {
				return nil, fmt.Errorf("table %s: chain %s: rule %q: %w", t.Name, c.Name, r, err)
			}
			p.rules = append(p.rules, def)
		}
	}
	return p, nil
}

// ours reports whether a table is one that we may write.
func ours(table string) bool { return table == router.TableName || table == router.AcctName }

func counter(t *nftables.Table, name string) *nftables.NamedObj {
	return &nftables.NamedObj{Table: t, Name: name, Type: nftables.ObjTypeCounter, Obj: &expr.Counter{}}
}

// chain lowers the chain itself. A hook or priority that is nil would make a
// regular chain without any error.
func (p *program) chain(c router.Chain) (*nftables.Chain, error) {
	chain := &nftables.Chain{Name: c.Name, Table: p.table}
	if c.Hook == nil {
		return chain, nil
	}
	hook, ok := hooks[c.Hook.Hook]
	if !ok {
		return nil, fmt.Errorf("hook %q: not known", c.Hook.Hook)
	}
	policy := nftables.ChainPolicyAccept
	chain.Type, chain.Hooknum, chain.Policy = nftables.ChainType(c.Hook.Type), hook, &policy
	chain.Priority = nftables.ChainPriorityRef(nftables.ChainPriority(c.Hook.Priority))
	return chain, nil
}

// rule lowers one rule and marshals it once, so that nothing is left that
// could fail while the batch is being queued.
func (l *lowerer) rule(chain *nftables.Chain, r router.Rule) (ruleDef, error) {
	for _, s := range r {
		if err := l.stmt(s); err != nil {
			return ruleDef{}, err
		}
	}
	for _, e := range l.out {
		if _, err := expr.Marshal(byte(l.table.Family), e); err != nil {
			return ruleDef{}, fmt.Errorf("expression %T: %w", e, err)
		}
	}
	hash := r.Hash()
	return ruleDef{hash: hash, anon: l.anon, rule: &nftables.Rule{
		Table: l.table, Chain: chain, Exprs: l.out, UserData: appendHash(nil, hash),
	}}, nil
}

// references checks the names that the kernel would answer with ENOENT, which
// does not say where.
func references(r router.Rule, chains map[string]*nftables.Chain, counters map[string]bool) error {
	for _, s := range r {
		switch s := s.(type) {
		case router.Verdict:
			if s.Chain != "" && chains[s.Chain] == nil {
				return fmt.Errorf("chain %q: not in the table", s.Chain)
			}
		case router.Counter:
			if !counters[s.Name] {
				return fmt.Errorf("counter %q: not in the table", s.Name)
			}
		}
	}
	return nil
}

// queue puts the whole table into the batch.
func (p *program) queue(c *nftables.Conn) error {
	for _, s := range p.sets {
		if err := s.queue(c); err != nil {
			return err
		}
	}
	for _, o := range p.counters {
		c.AddObj(o)
	}
	for _, chain := range p.chains {
		c.AddChain(chain)
	}
	for _, r := range p.rules {
		if err := r.queue(c); err != nil {
			return err
		}
	}
	return nil
}

// queue adds the set and its elements in pieces. An anonymous set takes its
// elements at once: it is constant and short.
func (s setDef) queue(c *nftables.Conn) error {
	if s.set.Anonymous {
		return c.AddSet(s.set, s.elements)
	}
	if err := c.AddSet(s.set, nil); err != nil {
		return err
	}
	return s.change(s.elements, c.SetAddElements)
}

// change calls add (or delete) for pieces of the list.
func (s setDef) change(list []nftables.SetElement, do func(*nftables.Set, []nftables.SetElement) error) error {
	for len(list) > 0 {
		n := min(len(list), elementsPerMessage)
		if err := do(s.set, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (r ruleDef) queue(c *nftables.Conn) error {
	for _, s := range r.anon {
		if err := s.queue(c); err != nil {
			return err
		}
	}
	c.AddRule(r.rule)
	return nil
}
