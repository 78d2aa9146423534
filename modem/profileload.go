package modem

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// profilesGZ is profiles.toml, compressed by modem/gen.
//
//go:embed profiles.gz
var profilesGZ []byte

// rawProfile is a profile as written. What is nil is taken from "like", or
// empty. The fields that also are in Profile have their names.
type rawProfile struct {
	ID         string                  `toml:"id"`
	Like       string                  `toml:"like"`
	Name       *string                 `toml:"name"`
	Source     *string                 `toml:"source"`
	Matches    []rawMatch              `toml:"match"`
	Models     []string                `toml:"models"`
	Silent     *bool                   `toml:"silent"`
	NewID      *bool                   `toml:"new_id"`
	AT         []int                   `toml:"at"`
	Avoid      []int                   `toml:"avoid"`
	PPP        *int                    `toml:"ppp"`
	Net        *int                    `toml:"net"`
	CID        *int                    `toml:"cid"`
	Init       []string                `toml:"init"`
	Planes     []DataKind              `toml:"planes"`
	Confidence map[DataKind]Confidence `toml:"confidence"`

	ATProtocol    []int `toml:"at_protocol"`
	AvoidProtocol []int `toml:"avoid_protocol"`
	PPPProtocol   []int `toml:"ppp_protocol"`
	Configuration *int  `toml:"configuration"`

	Start   []string  `toml:"start"`
	Stop    []string  `toml:"stop"`
	Check   *string   `toml:"check"`
	Auth    *string   `toml:"auth"`
	Static  *bool     `toml:"static"`
	DNS     *string   `toml:"dns"`
	Dial    *string   `toml:"dial"`
	HangUp  []string  `toml:"hang_up"`
	Mode    *rawModes `toml:"modes"`
	Reset   []string  `toml:"reset"`
	Offline *int      `toml:"offline"`

	ICCID       []string          `toml:"iccid"`
	Signal      []string          `toml:"signal"`
	Cell        *string           `toml:"cell"`
	Cells       []string          `toml:"cells"`
	Temperature *string           `toml:"temperature"`
	Tries       []string          `toml:"tries"`
	RAT         map[string]string `toml:"rat"`
	Bands       *string           `toml:"bands"`
	Slot        *string           `toml:"slot"`
	AuthBoth    *int              `toml:"auth_both"`
	Quirks      []Quirk           `toml:"quirks"`
}

type rawMatch struct {
	ID      string `toml:"id"` // one or several "2c7c:0125", "2c7c:*"
	Class   string `toml:"class"`
	Product string `toml:"product"`
}

type rawModes struct {
	Query  string            `toml:"query"`
	Key    string            `toml:"key"`
	Values map[string]string `toml:"values"`
	Set    []string          `toml:"set"`
	Reset  string            `toml:"reset"`
	NewPID bool              `toml:"new_pid"`
}

// LoadProfiles reads the embedded profiles and those of the user's text, which
// come first and replace those with the same id. file names the text in
// errors; an empty text is none. With an error the embedded profiles are
// returned: a bad file must not keep a modem from the network.
func LoadProfiles(file string, text []byte) (Profiles, error) {
	own, err := embeddedProfiles()
	if err != nil {
		panic(err) // a test reads them
	}
	user, err := parseProfiles(file, text, own)
	if err != nil {
		return Profiles{own}, err
	}
	list := slices.Clone(user)
	for _, p := range own {
		if !slices.ContainsFunc(user, func(u Profile) bool { return u.ID == p.ID }) {
			list = append(list, p)
		}
	}
	return Profiles{list}, nil
}

func embeddedProfiles() ([]Profile, error) {
	text, err := unpacked(profilesGZ)
	if err != nil {
		return nil, err
	}
	return parseProfiles("profiles.toml", text, nil)
}

func unpacked(gz []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// maxProfiles bounds a file of the user, in bytes.
const maxProfiles = 256 << 10

func parseProfiles(file string, text []byte, known []Profile) ([]Profile, error) {
	if len(text) > maxProfiles {
		return nil, fmt.Errorf("%s: %d bytes; at most %d are read", file, len(text), maxProfiles)
	}
	var raw struct {
		Profile []rawProfile `toml:"profile"`
	}
	d := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		return nil, tomlError(file, err)
	}
	var list []Profile
	var problems []error
	for i, r := range raw.Profile {
		p, key, err := r.build(append(slices.Clone(known), list...))
		if err == nil && slices.ContainsFunc(list, func(q Profile) bool { return q.ID == p.ID }) {
			key, err = "id", fmt.Errorf("%q is there twice", p.ID)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %s: %w", file, placesOf(text).line(i, key), key, err))
			continue
		}
		list = append(list, p)
	}
	return list, errors.Join(problems...)
}

// tomlError gives every problem of the library its line and key.
func tomlError(file string, err error) error {
	var strict *toml.StrictMissingError
	var one *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		var problems []error
		for _, e := range strict.Errors {
			line, _ := e.Position()
			problems = append(problems, fmt.Errorf("%s:%d: %s: there is no such key", file, line, strings.Join(e.Key(), ".")))
		}
		return errors.Join(problems...)
	case errors.As(err, &one):
		line, _ := one.Position()
		what := strings.TrimPrefix(one.Error(), "toml: ")
		if key := strings.Join(one.Key(), "."); key != "" {
			what = key + ": the value is of the wrong type" // the library's words are Go's
		}
		return fmt.Errorf("%s:%d: %s", file, line, what)
	}
	return fmt.Errorf("%s: %w", file, err)
}

// build makes the profile, or returns the key that is wrong.
func (r rawProfile) build(known []Profile) (p Profile, key string, err error) {
	if r.ID == "" {
		return p, "id", errors.New("is missing")
	}
	if r.Like != "" {
		i := slices.IndexFunc(known, func(q Profile) bool { return q.ID == r.Like })
		if i < 0 {
			return p, "like", fmt.Errorf("there is no profile %q above", r.Like)
		}
		p = known[i]
		p.Match = nil
	} else {
		p = Profile{PPP: -1, Net: -1, CID: 1, Offline: 4}
	}
	p.ID = r.ID
	setFields(reflect.ValueOf(&p).Elem(), reflect.ValueOf(r))
	if r.Mode != nil {
		p.Modes = Modes(*r.Mode)
	}
	for _, m := range r.Matches {
		list, err := m.build()
		if err != nil {
			return p, "match", err
		}
		p.Match = append(p.Match, list...)
	}
	key, err = p.check()
	return p, key, err
}

// setFields copies what is set of the raw profile to the field of the same name.
func setFields(to, from reflect.Value) {
	for i := range from.NumField() {
		f := from.Field(i)
		t := to.FieldByName(from.Type().Field(i).Name)
		switch {
		case !t.IsValid() || f.IsZero():
		case f.Kind() == reflect.Pointer:
			t.Set(f.Elem())
		default:
			t.Set(f)
		}
	}
}

// check returns the key that is wrong.
func (p Profile) check() (string, error) {
	for _, k := range p.Planes {
		switch k {
		case DataNetdev, DataPPP, DataQMI, DataMBIM:
		default:
			return "planes", fmt.Errorf("%q is none of netdev, ppp, qmi, mbim", k)
		}
		switch c := p.Confidence[k]; c {
		case Captured, Emulated, Unproved:
		default:
			return "confidence", fmt.Errorf("%s is %q, not captured, emulated or unproved", k, c)
		}
	}
	switch {
	case len(p.Planes) == 0:
		return "planes", errors.New("at least one is needed")
	case p.CID < 0 || p.CID > 16:
		return "cid", fmt.Errorf("%d is not from 0 to 16", p.CID)
	case p.Offline != 0 && p.Offline != 4:
		return "offline", fmt.Errorf("%d is neither 0 nor 4", p.Offline)
	case slices.Contains(p.Planes, DataPPP) && !strings.HasPrefix(p.Dial, "D"):
		return "dial", errors.New(`ppp needs one, such as "D*99***{cid}#"`)
	}
	return p.checkModes()
}

func (p Profile) checkModes() (string, error) {
	for _, name := range slices.Sorted(maps.Keys(p.Modes.Values)) {
		switch name {
		case "ecm", "rndis", "ncm", "qmi", "mbim":
		default:
			return "modes", fmt.Errorf("%q is none of ecm, rndis, ncm, qmi, mbim", name)
		}
	}
	if len(p.Modes.Values) > 0 && len(p.Modes.Set) == 0 {
		return "modes", errors.New("values without set")
	}
	return "", nil
}

func (m rawMatch) build() ([]USBMatch, error) {
	var one USBMatch
	one.Product = m.Product
	if m.Class != "" {
		c, err := parseClass(m.Class)
		if err != nil {
			return nil, err
		}
		one.Class = &c
	}
	var list []USBMatch
	for _, id := range strings.Fields(m.ID) {
		vid, pid, ok := strings.Cut(id, ":")
		v, errV := strconv.ParseUint(vid, 16, 16)
		n, errP := strconv.ParseUint(pid, 16, 16)
		one.AnyPID = pid == "*"
		if !ok || errV != nil || errP != nil && !one.AnyPID || v == 0 {
			return nil, fmt.Errorf(`%q is not an id such as "2c7c:0125" or "2c7c:*"`, id)
		}
		one.VID, one.PID = uint16(v), uint16(n)
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, errors.New("has no id")
	}
	return list, nil
}

func parseClass(s string) (Class, error) {
	parts := strings.Split(s, "/")
	var b [3]uint8
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(parts) != 3 {
			return Class{}, fmt.Errorf(`%q is not a class such as "02/02/ff"`, s)
		}
		b[i] = uint8(n)
	}
	return Class{b[0], b[1], b[2]}, nil
}

// places are the lines of the keys of each profile, for messages.
type places []map[string]int

func placesOf(text []byte) places {
	var all places
	var p unstable.Parser
	p.Reset(text)
	line := func(offset uint32) int { return 1 + strings.Count(string(text[:offset]), "\n") }
	for p.NextExpression() {
		e := p.Expression()
		k := e.Key()
		if !k.Next() {
			continue
		}
		name, at := string(k.Node().Data), line(k.Node().Raw.Offset)
		switch {
		case e.Kind == unstable.ArrayTable:
			all = append(all, map[string]int{"": at})
		case e.Kind == unstable.KeyValue && len(all) > 0:
			all[len(all)-1][name] = at
		}
	}
	return all
}

// line is that of the key of profile i, of the profile itself where the key is missing.
func (ps places) line(i int, key string) int {
	if i >= len(ps) {
		return 1
	}
	if n, ok := ps[i][key]; ok {
		return n
	}
	return ps[i][""]
}
