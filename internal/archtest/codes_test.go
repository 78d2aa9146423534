package archtest

import (
	"go/constant"
	"go/types"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"luatnetd/internal/config"
)

// Every health code and event kind of the sources is in docs/api.md, and
// nothing else is: monitoring is written after that page.
func TestCodesAreDocumented(t *testing.T) {
	list := load(t)
	doc, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := append(constantsOf(list, "internal/status.HealthCode"), queueCodes(list)...)
	codes = append(codes, modemCodes(list)...)
	for _, s := range config.Scopes() {
		codes = append(codes, s.Scope.Code())
	}
	same(t, "health code", codes, firstColumn(string(doc), "## Health codes"))
	kinds := append(constantsOf(list, "internal/status.EventKind"), constantsOf(list, "modem.TellKind")...)
	same(t, "event kind", kinds, firstColumn(string(doc), "## Events"))
}

// constantsOf lists the values of a type that the sources write.
func constantsOf(list []*packages.Package, name string) (values []string) {
	for _, p := range list {
		for _, tv := range p.TypesInfo.Types {
			if tv.Value != nil && types.TypeString(tv.Type, nil) == module+name {
				values = append(values, constant.StringVal(tv.Value))
			}
		}
	}
	return values
}

// queueCodes lists the constants Health… of the queue, which is no room that
// knows the status document.
func queueCodes(list []*packages.Package) (values []string) {
	for _, p := range list {
		if p.PkgPath != module+"client/queue" {
			continue
		}
		for _, name := range p.Types.Scope().Names() {
			if c, ok := p.Types.Scope().Lookup(name).(*types.Const); ok && strings.HasPrefix(name, "Health") {
				values = append(values, constant.StringVal(c.Val()))
			}
		}
	}
	return values
}

// modemCodes lists the constants of modem.Code, of another room that does not
// know the status document.
func modemCodes(list []*packages.Package) (values []string) {
	for _, p := range list {
		if p.PkgPath != module+"modem" {
			continue
		}
		for _, name := range p.Types.Scope().Names() {
			c, ok := p.Types.Scope().Lookup(name).(*types.Const)
			if ok && types.TypeString(c.Type(), nil) == module+"modem.Code" {
				values = append(values, constant.StringVal(c.Val()))
			}
		}
	}
	return values
}

var quoted = regexp.MustCompile("`([^`]+)`")

// firstColumn lists what is quoted in the first column of the table below a heading.
func firstColumn(doc, heading string) (values []string) {
	_, section, _ := strings.Cut(doc, heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || strings.TrimSpace(cells[1]) == "`kind`" {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			values = append(values, m[1])
		}
	}
	return values
}

func same(t *testing.T, what string, used, documented []string) {
	t.Helper()
	in := func(list []string) map[string]bool {
		set := make(map[string]bool)
		for _, v := range list {
			set[v] = true
		}
		return set
	}
	a, b := in(used), in(documented)
	if len(a) < 5 {
		t.Errorf("only %d %ss were found in the sources: the test reads them wrongly", len(a), what)
	}
	for _, v := range slices.Sorted(maps.Keys(a)) {
		if !b[v] {
			t.Errorf("%s %q is used and not in docs/api.md", what, v)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(b)) {
		if !a[v] {
			t.Errorf("%s %q is in docs/api.md and nobody uses it", what, v)
		}
	}
	if len(documented) != len(b) {
		t.Errorf("docs/api.md names a %s twice", what)
	}
}
