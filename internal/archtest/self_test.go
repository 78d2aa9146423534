package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// Each line is code that must be red, by the entry it breaks.
var red = map[string]string{
	"os.*":          `import "os"; func f() { os.Getenv("x") }`,
	"os/exec.*":     `import "os/exec"; func f() { exec.Command("x") }`,
	"syscall.*":     `import "syscall"; func f() { syscall.Getpid() }`,
	"net.Dial*":     `import "net"; func f() { net.Dial("tcp", "x") }`,
	"net.Listen*":   `import "net"; func f() { net.ListenPacket("udp", "x") }`,
	"net.Lookup*":   `import "net"; func f() { net.LookupHost("x") }`,
	"net.Interface": `import "net"; func f() { net.InterfaceByName("x") }`,
	"net/http.*":    `import "net/http"; func f() { http.Get("x") }`,
	"time.Now":      `import "time"; func f() { time.Now() }`,
	"time.Since":    `import "time"; func f() { time.Since(time.Time{}) }`,
	"time.Sleep":    `import "time"; func f() { time.Sleep(1) }`,
	"time.After":    `import "time"; func f() { time.After(1) }`,
	"time.NewTimer": `import "time"; func f() { time.NewTimer(1) }`,
	"math/rand":     `import "math/rand"; func f() { rand.Intn(3) }`,
	"math/rand/v2":  `import "math/rand/v2"; func f() { rand.IntN(3) }`,
	"crypto/rand.*": `import "crypto/rand"; func f() { rand.Read(nil) }`,
	"log.*":         `import "log"; func f() { log.Print("x") }`,
	"slog":          `import "log/slog"; func f() { slog.Info("x") }`,
	"sync.*":        `import "sync"; var m sync.Mutex`,
	"go":            `func f() { go f() }`,
	"chan":          `var c chan int`,
	"alias":         `import "time"; var now = time.Now`,
}

// Each line is code that must stay green.
var green = []string{
	`import "time"; func f(t time.Time) time.Time { return t.Add(time.Second) }`,
	`import "net"; var hw net.HardwareAddr`,
	`import "math/rand/v2"; func f(r *rand.Rand) int { return r.IntN(3) }`,
	`import "net/netip"; var a = netip.MustParseAddr("192.0.2.1")`,
}

// imported holds the standard library packages of the samples, from export data.
var imported = map[string]*types.Package{}

type importer map[string]*types.Package

func (i importer) Import(path string) (*types.Package, error) {
	if p, ok := i[path]; ok {
		return p, nil
	}
	return nil, fmt.Errorf("%s is not loaded", path)
}

func standard(t *testing.T) types.Importer {
	t.Helper()
	if len(imported) == 0 {
		var paths []string
		for _, code := range append(slices.Collect(maps.Values(red)), green...) {
			if _, rest, ok := strings.Cut(code, `import "`); ok {
				path, _, _ := strings.Cut(rest, `"`)
				paths = append(paths, path)
			}
		}
		list, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedTypes | packages.NeedExportFile, Dir: "../.."}, paths...)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list {
			imported[p.PkgPath] = p.Types
		}
	}
	return importer(imported)
}

func judge(t *testing.T, code string) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "x.go", "package x; "+code, 0)
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	cfg := types.Config{Importer: standard(t), Error: func(error) {}}
	_, _ = cfg.Check("x", fset, []*ast.File{f}, info) // unused imports do not matter here
	return impure(fset, f, info)
}

func TestRulesAreRed(t *testing.T) {
	for name, code := range red {
		if len(judge(t, code)) == 0 {
			t.Errorf("%s: %s passes, want it refused", name, code)
		}
	}
}

// Every entry of the table names something that exists and is refused, or it
// may be misspelt.
func TestEveryEntryIsRefused(t *testing.T) {
	var paths []string
	for _, rule := range forbidden {
		paths = append(paths, rule[:strings.LastIndex(rule, ".")])
	}
	list, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedTypes | packages.NeedExportFile, Dir: "../.."}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range forbidden {
		if !refuses(list, rule) {
			t.Errorf("%q refuses nothing: no such name", rule)
		}
	}
}

// refuses reports whether a package has a name that the rule is about and that
// is refused.
func refuses(list []*packages.Package, rule string) bool {
	prefix, wild := strings.CutSuffix(rule, "*")
	for _, p := range list {
		for _, name := range p.Types.Scope().Names() {
			full := p.PkgPath + "." + name
			if (full == rule || wild && strings.HasPrefix(full, prefix)) && reference(p.Types.Scope().Lookup(name)) != "" {
				return true
			}
		}
	}
	return false
}

func TestRulesAreGreen(t *testing.T) {
	for _, code := range green {
		if p := judge(t, code); len(p) > 0 {
			t.Errorf("%s is refused: %s", code, strings.Join(p, "; "))
		}
	}
}
