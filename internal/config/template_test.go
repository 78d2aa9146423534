package config

import "testing"

// What a connection sends is parsed once: JSON keeps its braces, a line keeps
// its end and its placeholders, and hex is never read as text.
func TestPayloads(t *testing.T) {
	for written, want := range map[string]string{
		`text = "reg {sn}\r\n"`:     "reg S1\r\n",
		`text = '{"sn":"{sn}"}'`:    `{"sn":"S1"}`,
		`hex = "7b:69:6d:65:69:7d"`: "{imei}",
		`hex = "02 7b 61 7d"`:       "\x02{a}",
		`text = "{{sn} {sn}"`:       "{sn} S1",
	} {
		text := "version = 1\n[[connection]]\nname = \"c\"\nhost = \"10.0.0.1\"\nport = 1\n[connection.register]\n" + written + "\n"
		c, problems := Parse("t.toml", []byte(text))
		if len(problems) > 0 {
			t.Errorf("%s: %v", written, problems)
			continue
		}
		if got := string(c.Connections[0].Register.Data.Fill(map[string]string{"sn": "S1"}, 0)); got != want {
			t.Errorf("%s is sent as %q, want %q", written, got, want)
		}
	}
}
