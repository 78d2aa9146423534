package netns

// reload reads the file again, as an operator would.
func (b *box) reload() {
	b.t.Helper()
	if out, code := b.ctl("reload"); code != 0 {
		b.t.Fatalf("ctl reload: exit code %d: %s", code, out)
	}
}
