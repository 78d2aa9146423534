package tty_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFaultyPackagesAreNotLinked: rows 10, 18 and 20 of the known faults, and
// the default Init of row 21, are those of packages that are not here.
func TestFaultyPackagesAreNotLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "luatnetd/modem/...", "luatnetd/cmd/luatnetd").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "github.com/warthog618/modem/at") {
		t.Error("the AT library is not linked: does this test look at the right packages?")
	}
	for _, d := range deps {
		switch {
		case strings.HasPrefix(d, "github.com/tarm/serial"), strings.HasPrefix(d, "go.bug.st/serial"),
			strings.HasPrefix(d, "github.com/warthog618/modem/") && d != "github.com/warthog618/modem/at":
			t.Errorf("%s is linked", d)
		}
	}
}

// TestOnlyTheLibraryWritesCommands: one file knows the library and uses of it
// what is listed here; the tty is written in two places, the library's writer and
// the relay of a lease; and no string of ours begins a command line.
func TestOnlyTheLibraryWritesCommands(t *testing.T) {
	used := map[string]bool{}
	writers := map[string]bool{}
	for _, name := range sources(t, ".", "../filter") {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range file.Imports {
			if strings.Contains(imp.Path.Value, "warthog618/modem") && name != "engine.go" {
				t.Errorf("%s imports %s: engine.go only does", name, imp.Path.Value)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "at" && name == "engine.go" {
					used[n.Sel.Name] = true
				}
				if x, ok := n.X.(*ast.SelectorExpr); ok && n.Sel.Name == "Write" && x.Sel.Name == "conn" {
					writers[name] = true
				}
				if x, ok := n.X.(*ast.SelectorExpr); ok && x.Sel.Name == "at" {
					used["AT."+n.Sel.Name] = true
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING && strings.HasPrefix(n.Value, `"AT`) && n.Value != `"AT"` && n.Value != `"ATD"` && n.Value != `"ATD*99"` {
					t.Errorf("%s has the command %s", name, n.Value)
				}
			}
			return true
		})
	}
	if got := sorted(used); got != "AT AT.Closed AT.Command AT.Escape AT.SMSCommand CMEError CMSError ConnectError ErrClosed ErrDeadlineExceeded ErrError New WithTimeout" {
		t.Errorf("of the library is used: %s", got)
	}
	if got := sorted(writers); got != "lease.go wire.go" {
		t.Errorf("the tty is written by %s", got)
	}
}

func sources(t *testing.T, dirs ...string) (list []string) {
	t.Helper()
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
				list = append(list, filepath.Join(dir, e.Name()))
			}
		}
	}
	return list
}

func sorted(set map[string]bool) string {
	var list []string
	for k := range set {
		list = append(list, k)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
