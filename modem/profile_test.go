package modem

import "testing"

func TestLoad(t *testing.T) {
	ps, err := LoadProfiles("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps.All() {
		t.Logf("%s %+v", p.ID, p)
	}
	_, err = LoadProfiles("a.toml", []byte("[[profile]]\nid=\"x\"\nlike=\"generic-net\"\nfoo=1\n"))
	t.Log(err)
	_, err = LoadProfiles("a.toml", []byte("[[profile]]\nid=\"x\"\nlike=\"generic-net\"\ncid=99\n"))
	t.Log(err)
	_, err = LoadProfiles("a.toml", []byte("[[profile]]\nid=\"x\"\nlike=\"generic-net\"\n\ncid='a'\n"))
	t.Log(err)
}
