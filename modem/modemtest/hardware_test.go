package modemtest_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"luatnetd/modem"
	"luatnetd/modem/modemtest"
)

var update = flag.Bool("update", false, "write the table of docs/hardware.md anew")

// hardwarePage is the page that says what each family was tried with.
const hardwarePage = "../../docs/hardware.md"

// The table of docs/hardware.md is what the profiles and the emulated modules
// say of themselves, a row each.
func TestHardwarePage(t *testing.T) {
	profiles, err := modem.LoadProfiles("", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(hardwarePage)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| Profile |"
	before, table, found := strings.Cut(string(text), "\n"+head)
	table, after, closed := strings.Cut(table, "\n\n")
	if !found || !closed {
		t.Fatalf("%s has no table that begins with %q and ends with an empty line", hardwarePage, head)
	}
	want := strings.Join(hardwareTable(profiles.All()), "\n")
	if *update {
		if err := os.WriteFile(hardwarePage, []byte(before+"\n"+want+"\n\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(head+table, "\n")); diff != "" {
		t.Errorf("the table of %s (-the profiles +the page); go test ./modem/modemtest -run HardwarePage -update writes it:\n%s", hardwarePage, diff)
	}
}

// hardwareTable is the head and a row for each profile.
func hardwareTable(list []modem.Profile) []string {
	planes := []modem.DataKind{modem.DataNetdev, modem.DataPPP, modem.DataQMI, modem.DataMBIM}
	rows := []string{"| Profile | For | netdev | ppp | qmi | mbim | Facts from | Emulated module |", "|---|---|---|---|---|---|---|---|"}
	for _, p := range list {
		cells := []string{"`" + p.ID + "`", p.Name}
		for _, k := range planes {
			cell := "–"
			if slices.Contains(p.Planes, k) {
				cell = string(p.Confidence[k])
			}
			cells = append(cells, cell)
		}
		source := "none of its own"
		if m, ok := modemtest.ByID(p.ID); ok {
			source = m.Source
		}
		rows = append(rows, "| "+strings.Join(append(cells, p.Source, source), " | ")+" |")
	}
	return rows
}

// A data plane that is called emulated or captured has an emulated module whose
// compositions have it: the page promises no more than the tests play.
func TestEmulatedPlanesAreEmulated(t *testing.T) {
	profiles, err := modem.LoadProfiles("", nil)
	if err != nil {
		t.Fatal(err)
	}
	emulatedBy := map[string]string{"quectel-qc-rndis": "quectel-qc"} // a composition of the same module
	for _, p := range profiles.All() {
		for _, k := range p.Planes {
			if c := p.Confidence[k]; c == modem.Unproved {
				continue
			}
			id := p.ID
			if other := emulatedBy[id]; other != "" {
				id = other
			}
			m, ok := modemtest.ByID(id)
			if !ok || k == modem.DataPPP && !m.PPP() || k == modem.DataNetdev && m.Driver() == "" || k == modem.DataQMI || k == modem.DataMBIM {
				t.Errorf("%s: %s is called %s, and no emulated module has it", p.ID, k, p.Confidence[k])
			}
		}
	}
}
