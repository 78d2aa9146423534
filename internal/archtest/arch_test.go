package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "luatnetd/"

func load(t *testing.T) []*packages.Package {
	t.Helper()
	cfg := &packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedFiles | packages.NeedExportFile,
		Dir:  "../..",
	}
	list, err := packages.Load(cfg, "./...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		for _, e := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, e)
		}
	}
	return list
}

func TestEveryPackageIsARoom(t *testing.T) {
	for _, p := range load(t) {
		name := strings.TrimPrefix(p.PkgPath, module)
		if strings.HasPrefix(name, "test/") {
			continue // tests and measurements only
		}
		k, ok := rooms[name]
		if !ok {
			t.Errorf("%s is in no room: add one line to the table here and to ARCHITECTURE.md", name)
			continue
		}
		for imp := range p.Imports {
			checkImport(t, name, k, imp)
		}
		if k == pure {
			for _, f := range p.Syntax {
				for _, problem := range impure(p.Fset, f, p.TypesInfo) {
					t.Errorf("pure room %s: %s", name, problem)
				}
			}
		}
	}
}

// checkImport applies the rules of use between rooms.
func checkImport(t *testing.T, from string, k kind, imp string) {
	t.Helper()
	if !strings.HasPrefix(imp, module) {
		return
	}
	to := strings.TrimPrefix(imp, module)
	switch target := rooms[to]; {
	case strings.HasPrefix(to, "cmd/"):
		t.Errorf("%s imports %s: nothing imports cmd", from, to)
	case to == "internal/engine" && from != "cmd/luatnetd":
		t.Errorf("%s imports the engine: only cmd/luatnetd may", from)
	case target == lab && k != lab && from != "cmd/luatnet-lab":
		t.Errorf("%s imports %s: lab and test helpers are used from tests and cmd/luatnet-lab only", from, to)
	case k == pure && target != pure:
		t.Errorf("pure room %s imports %s, which is %s", from, to, target)
	case k == helper && (target == effect || target == wiring):
		t.Errorf("helper %s imports %s, which is %s", from, to, target)
	case k == effect && target == effect:
		t.Errorf("effect room %s imports effect room %s: they meet in the engine", from, to)
	}
}

// impure lists what in a file waits, asks or touches the outside.
func impure(fset *token.FileSet, f *ast.File, info *types.Info) []string {
	var found []string
	add := func(pos token.Pos, what string) {
		found = append(found, fmt.Sprintf("%s: %s", fset.Position(pos), what))
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n.Pos(), "starts a goroutine")
		case *ast.ChanType:
			add(n.Pos(), "uses a channel")
		case *ast.SelectStmt:
			add(n.Pos(), "selects")
		case *ast.Ident:
			if name := reference(info.Uses[n]); name != "" {
				add(n.Pos(), "refers to "+name)
			}
		}
		return true
	})
	return found
}

// reference returns the forbidden thing that obj is, "" if it is allowed.
func reference(obj types.Object) string {
	if obj == nil || obj.Pkg() == nil || obj.Parent() != obj.Pkg().Scope() {
		return "" // methods and fields belong to a type that was got somewhere else
	}
	name := obj.Pkg().Path() + "." + obj.Name()
	if allowedFuncs[name] {
		return ""
	}
	_, isFunc := obj.(*types.Func)
	if obj.Pkg().Path() == "golang.org/x/sys/unix" {
		if isFunc {
			return name
		}
		return ""
	}
	for _, rule := range forbidden {
		prefix, wild := strings.CutSuffix(rule, "*")
		if name == rule || wild && strings.HasPrefix(name, prefix) {
			return name
		}
	}
	return ""
}
