package modemtest

import "luatnetd/modem"

// at, atPPP, log, nmea and mute are ports of a composition.
func at(n int) Port      { return Port{Interface: n, Kind: KindAT} }
func atPPP(n int) Port   { return Port{Interface: n, Kind: KindAT, PPP: true, Silent: true} }
func logPort(n int) Port { return Port{Interface: n, Kind: KindLog} }
func nmea(n int) Port    { return Port{Interface: n, Kind: KindNMEA} }
func mute(n int) Port    { return Port{Interface: n, Kind: KindMute} }

func rndis(n int) Net { return Net{Interface: n, Driver: "rndis_host"} }
func ecm(n int) Net   { return Net{Interface: n, Driver: "cdc_ether"} }

// class gives a port the class of its interface.
func (p Port) class(class, sub, protocol uint8) Port {
	p.Class = modem.Class{Class: class, Sub: sub, Protocol: protocol}
	return p
}

// Personalities is one module family after the other, in the order of the
// profile table; the fallbacks are last.
func Personalities() []Personality {
	return []Personality{
		air780AT(), air780LuatOS(), air724UG(), air720(), ec618Ref(),
		quectelQC(), quectelEC200(),
		simcom7600(), simcom7600RNDIS(), simcom7600ECM(), simcomA76xx(),
		fibocomL610(), fibocomQC(), fibocomMTK(),
		huaweiNDIS(),
		genericNet(), netOnly(), genericPPP(),
	}
}

// airPorts are those of an EigenComm module: 2 commands, 4 log, 6 modem.
func airPorts() []Port { return []Port{at(2), logPort(4), atPPP(6)} }

func air780AT() Personality {
	return Personality{
		ID: "air780-at", Manufacturer: "AirM2M", Product: "AirM2M Compo", Serial: "000000000001", IMEI: "860000000000012",
		Source: "public field notes on V1011 (Air780EPV): +CGREG for +CEREG, words for errors, one field of +CBC, ten messages",
		Compositions: []Composition{
			{Mode: "rndis", VID: 0x19d1, PID: 0x0001, ACM: true, Ports: airPorts(), Net: rndis(0), Gateway: "192.168.10.1"},
			{Mode: "ecm", VID: 0x19d1, PID: 0x0001, ACM: true, Ports: airPorts(), Net: ecm(0), Gateway: "192.168.10.1"},
		},
		Sets: []string{"air780"}, Dial: DialSelf, CID: 1, Attach: 1,
		CEREGAs: "+CGREG", TextErrors: true, LTEOnly: true,
		Missing: []string{"+CEER", "+CPINR"},
		Answers: map[string]string{
			"I": "AirM2M_780EPV_V1011_LTE_AT", "+CGMI": `+CGMI: "AirM2M"`, "+CGMM": `+CGMM: "Air780EPV"`,
			"+CGMR":     `+CGMR: "AirM2M_780EPV_V1011_LTE_AT"`,
			"+CCED=0,1": "HEARD?\n+CCED:LTE current cell:{mcc},{mnc},{imsi},0,{band},n100,{earfcn},{cellnum},{rsrp141},{rsrq20},{tacnum},3,{pci}",
			"+CCED":     "+CME ERROR: 3",
		},
	}
}

func air780LuatOS() Personality {
	return Personality{
		ID: "air780-luatos", Manufacturer: "EigenComm", Product: "EigenComm Compo", Serial: "000000000001", IMEI: "860000000000020",
		Source: "LuatOS demo rndis_ecm: the script brings the netdev up, no port speaks AT",
		Compositions: []Composition{
			{Mode: "rndis", VID: 0x19d1, PID: 0x0001, ACM: true, Ports: []Port{logPort(2), logPort(4), mute(6)}, Net: rndis(0), Gateway: "192.168.10.1"},
			{Mode: "ecm", VID: 0x19d1, PID: 0x0001, ACM: true, Ports: []Port{logPort(2), logPort(4), mute(6)}, Net: ecm(0), Gateway: "192.168.10.1"},
		},
		Dial: DialSelf, CID: 1, Attach: 1, LTEOnly: true,
	}
}

func air724UG() Personality {
	return Personality{
		ID: "air724ug", Manufacturer: "Spreadtrum", Product: "Air724UG", Serial: "20210101", IMEI: "860000000000038",
		Source: "captures in FUjr/QModem:testcases/openluat/unisoc (subscriber data made up)",
		Compositions: []Composition{
			{Mode: "ecm", VID: 0x1782, PID: 0x4e00, Ports: []Port{logPort(2), at(3), atPPP(4)}, Net: ecm(0), Gateway: "192.168.100.1"},
			{Mode: "rndis", VID: 0x1782, PID: 0x4e00, Ports: []Port{logPort(2), at(3), atPPP(4)}, Net: rndis(0), Gateway: "192.168.100.1"},
		},
		Sets: []string{"air724"}, Dial: DialSelf, CID: 5, Attach: 5, Slots: 40, AddrFormat: "packed",
		Answers: map[string]string{
			"I": "LuatOS-Air_V4032_RDA8910_TTS_NOLVGL_FLOAT", "+CGMI": `+CGMI: ""`, "+CGMM": `+CGMM: "Air724UG"`,
			"+CGMR":         `+CGMR: "LuatOS-Air_V4032_RDA8910_TTS_NOLVGL_FLOAT"`,
			"+CBC":          "+CBC: 1,84,{mv}",
			"+CCED=0,1":     "HEARD?\n+CCED:LTE current cell:{mcc},{mnc},{imsi},0,{band},n100,{earfcn},{cellnum},{rsrp141},{rsrq20},{tacnum},3,{pci}",
			"+CCED":         "+CME ERROR: 3",
			"+EEMGINFO?":    "+EEMGINFO: 3, 2\nOK\n+EEMLTESVC: 1120, 2, 17, {tacnum}, {pci}, {earfcn}, {earfcn}, 3, 5, {cellnum}, 65535, {rsrp141}, {rsrq20}, 6",
			"format +CGACT": "+CGACT: %d, %d",
		},
	}
}

func air720() Personality {
	return Personality{
		ID: "air720", Manufacturer: "Marvell", Product: "Air720", Serial: "200806006809080000", IMEI: "860000000000046",
		Source: "vendor documents: no driver knows it, RNDIS at 192.168.0.x",
		Compositions: []Composition{
			{Mode: "rndis", VID: 0x1286, PID: 0x4e3d, Unbound: true, Ports: []Port{at(2), logPort(3), atPPP(4)}, Net: rndis(0), Gateway: "192.168.0.1"},
			{Mode: "ecm", VID: 0x1286, PID: 0x4e3d, Unbound: true, Ports: []Port{at(2), logPort(3), atPPP(4)}, Net: ecm(0), Gateway: "192.168.0.1"},
		},
		Sets: []string{"air724"}, Dial: DialSelf, CID: 1, Attach: 1, Slots: 20,
		Answers: map[string]string{"I": "AirM2M_720SL_V545_LTE_AT", "+CGMI": "AirM2M", "+CGMM": "Air720SL", "+CGMR": "AirM2M_720SL_V545_LTE_AT"},
	}
}

func ec618Ref() Personality {
	return Personality{
		ID: "ec618-ref", Manufacturer: "EigenComm", Product: "EigenComm Compo", Serial: "000000000001", IMEI: "860000000000053",
		Source: "EigenComm's own command headers and drivers of its modules (+ECNETDEVCTL, +ECPCFG)",
		Compositions: []Composition{
			{Mode: "rndis", VID: 0x19d1, PID: 0x0001, ACM: true, Ports: airPorts(), Net: rndis(0), Gateway: "192.168.10.1"},
			{Mode: "ecm", VID: 0x19d1, PID: 0x0001, ACM: true, Ports: airPorts(), Net: ecm(0), Gateway: "192.168.10.1"},
		},
		Sets: []string{"ec"}, Dial: DialCommand, CID: 1, Attach: 1, LTEOnly: true,
		Answers: map[string]string{
			"I": "NT26K_V1.2.0", "+CGMI": `+CGMI: "LIERDA"`, "+CGMM": `+CGMM: "NT26KCNB30NNA"`, "+CGMR": `+CGMR: "NT26K_V1.2.0"`,
			"+CGSN=1": `+CGSN: "{imei}"`,
			"+ICCID":  "+CME ERROR: 4",
		},
	}
}
