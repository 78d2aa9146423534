package archtest

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
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

func judge(t *testing.T, code string) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "x.go", "package x; "+code, 0)
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	cfg := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Error: func(error) {}}
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

func TestRulesAreGreen(t *testing.T) {
	for _, code := range green {
		if p := judge(t, code); len(p) > 0 {
			t.Errorf("%s is refused: %s", code, strings.Join(p, "; "))
		}
	}
}
