package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden shows what a person sees for each file of testdata: the problems
// as check prints them, and what the boot leaves out and keeps.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := shown(filepath.Base(file), text)
			golden := strings.TrimSuffix(file, ".toml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if m := goWords.FindString(got); m != "" {
				t.Errorf("a person would have to know Go to read %q", m)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("a password is shown")
			}
		})
	}
}

var goWords = regexp.MustCompile(`[ (]toml: |\b(int64|uint\w*|struct|interface ?\{|nil|netip\.|strconv|reflect|config\.[A-Z]\w*|map\[)|\[\]string`)

func shown(file string, text []byte) string {
	var b strings.Builder
	cfg, problems := Parse(file, text)
	b.WriteString("# check\n")
	if len(problems) > 0 {
		fmt.Fprintln(&b, problems.Error())
	}
	if cfg != nil {
		fmt.Fprintln(&b, "valid, empty:", cfg.Empty())
	}
	cfg, dropped, err := ParseBoot(file, text)
	b.WriteString("\n# boot\n")
	for _, p := range dropped {
		fmt.Fprintf(&b, "%s %s (line %d: %s)\n", p.Code(), p.Entry, p.Line, p.Key)
	}
	if err != nil {
		fmt.Fprintln(&b, "refused:", err)
	}
	if cfg == nil {
		return b.String()
	}
	for _, u := range cfg.Uplinks {
		fmt.Fprintln(&b, "uplink", u.Name, u.Device, u.Mode)
	}
	for _, l := range cfg.LANs {
		fmt.Fprintln(&b, "lan", l.Name, l.Device, l.Ports, l.Address, l.Upstream, l.DHCP.PoolStart, l.DHCP.PoolEnd, "hosts", len(l.DHCP.Hosts), "options", len(l.DHCP.Options))
	}
	fmt.Fprintln(&b, "forwards", len(cfg.Forwards), "allow", len(cfg.Firewall.Allow))
	return b.String()
}
