// Command gen writes what package modem embeds, compressed: profiles.gz, which
// is profiles.toml, and with -i providers.gz, the table of APNs by network. That
// is made of serviceproviders.xml of mobile-broadband-provider-info (in the public
// domain; Debian has a package of that name). Run it in the root of the repository:
//
//	go run ./modem/gen
//	go run ./modem/gen -i /usr/share/mobile-broadband-provider-info/serviceproviders.xml
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	in := flag.String("i", "", "serviceproviders.xml")
	dir := flag.String("o", "modem", "the package's directory")
	flag.Parse()
	if err := write(*in, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(in, dir string) error {
	profiles, err := os.ReadFile(filepath.Join(dir, "profiles.toml"))
	if err != nil {
		return err
	}
	if err := writePacked(filepath.Join(dir, "profiles.gz"), string(profiles)); err != nil || in == "" {
		return err
	}
	source, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	table, err := tableOf(source)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return writePacked(filepath.Join(dir, "providers.gz"), table)
}

func writePacked(name, text string) error {
	packed, err := pack(text)
	if err != nil {
		return err
	}
	return os.WriteFile(name, packed, 0o644)
}

// pack compresses without a time stamp, so that the same table is the same file.
func pack(table string) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(table)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// providers is what is read of the source.
type providers struct {
	Countries []struct {
		Code      string     `xml:"code,attr"`
		Providers []provider `xml:"provider"`
	} `xml:"country"`
}

type provider struct {
	GSM *struct {
		Networks []struct {
			MCC string `xml:"mcc,attr"`
			MNC string `xml:"mnc,attr"`
		} `xml:"network-id"`
		APNs []apn `xml:"apn"`
	} `xml:"gsm"`
}

type apn struct {
	Value  string `xml:"value,attr"`
	Usages []struct {
		Type string `xml:"type,attr"`
	} `xml:"usage"`
	User     string `xml:"username"`
	Password string `xml:"password"`
	Auth     struct {
		Method string `xml:"method,attr"`
	} `xml:"authentication"`
}

// internet reports whether the APN is for the internet; one without any usage is.
func (a apn) internet() bool {
	for _, u := range a.Usages {
		if u.Type == "internet" {
			return true
		}
	}
	return len(a.Usages) == 0
}

// china is the state of 2026: the source has networks 00, 01, 02 and 11 only,
// and WAP gateways that are long gone. 04, 08 and 06 are cards of machines, which have
// an APN of their own in most contracts; these cannot be guessed.
var china = []string{
	"46000 46002 46007 46013|cmnet|||",
	"46004 46008|cmiot|||",
	"46004 46008|cmnet|||",
	"46001 46006 46009 46010|3gnet|||",
	"46003 46005 46011 46012|ctnet|ctnet@mycdma.cn|vnet.mobi|",
	"46003 46005 46011 46012|ctlte|||",
	"46015|cbnet|||",
}

// tableOf returns the lines "PLMNs|APN|user|password|auth". China is replaced.
func tableOf(source []byte) (string, error) {
	var all providers
	if err := xml.Unmarshal(source, &all); err != nil {
		return "", err
	}
	var b strings.Builder
	seen := map[string]bool{}
	line := func(s string) {
		if !seen[s] {
			seen[s] = true
			b.WriteString(s + "\n")
		}
	}
	for _, c := range all.Countries {
		if c.Code == "cn" {
			continue
		}
		for _, p := range c.Providers {
			for _, s := range p.lines() {
				line(s)
			}
		}
	}
	for _, s := range china {
		line(s)
	}
	return b.String(), nil
}

func (p provider) lines() []string {
	if p.GSM == nil || len(p.GSM.Networks) == 0 {
		return nil
	}
	var plmns []string
	for _, n := range p.GSM.Networks {
		if len(n.MCC) == 3 && (len(n.MNC) == 2 || len(n.MNC) == 3) {
			plmns = append(plmns, n.MCC+n.MNC)
		}
	}
	var lines []string
	for _, a := range p.GSM.APNs {
		f := []string{strings.Join(plmns, " "), a.Value, a.User, a.Password, method(a.Auth.Method)}
		if a.internet() && a.Value != "" && !strings.ContainsAny(strings.Join(f, ""), "|\n\r") {
			lines = append(lines, strings.Join(f, "|"))
		}
	}
	return lines
}

// method is the configuration's word for a method of authentication.
func method(s string) string {
	switch s {
	case "pap", "chap":
		return s
	}
	return ""
}
