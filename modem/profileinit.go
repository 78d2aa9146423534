package modem

// InitSteps are the commands after a port has opened, in order. A step is
// given as alternatives: the next is tried where one is refused, and a step of
// which all are refused is no failure. Each is sent by itself: unknown modems
// mix up commands that are joined by a semicolon. ATZ is not sent, it would
// throw away what the user has stored.
func (p Profile) InitSteps() [][]Command {
	steps := [][]string{
		{"E0"}, {"Q0"}, {"V1"},
		{"+CMEE=1"},
		{"X4"}, {"&C1"},
		{"+CREG=2", "+CREG=1", "+CREG=0"},
		{"+CGREG=2", "+CGREG=1", "+CGREG=0"},
		{"+CEREG=3", "+CEREG=2", "+CEREG=1", "+CEREG=0"}, // 3 adds the cause of a reject
		{"+CGEREP=2,1", "+CGEREP=1"},
		{"+CMGF=0"},
		{"+CNMI=2,1,0,1,0", "+CNMI=2,1"},
		{"+CTZU=1"},
		{"+COPS=3,2"},
	}
	for _, c := range p.Init {
		steps = append(steps, []string{c})
	}
	var list [][]Command
	for _, step := range steps {
		list = append(list, p.Commands(step, Values{CID: p.CID}))
	}
	return list
}
