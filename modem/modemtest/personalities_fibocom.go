package modemtest

func fibocomAnswers(model, revision string) map[string]string {
	return map[string]string{
		"I":     "Manufacturer: Fibocom Wireless Inc.\nModel: " + model + "\nRevision: " + revision,
		"+CGMI": "Fibocom Wireless Inc.", "+CGMM": model, "+CGMR": revision,
		"+GTCCINFO?": "HEARD?+GTCCINFO: \n" + "+GTCCINFO: \nLTE service cell:\n1,4,{mcc},{mnc},{tac},{cell},{earfcn},{pci},{band},100,{sinr2},{rsrp141},{rsrp141},{rsrq20}",
		"+MTSM=1":    "+MTSM: {temp}", "+MTSM=1,6": "+MTSM: {temp}",
	}
}

func fibocomL610() Personality {
	ports := []Port{at(2), logPort(3), logPort(4), mute(5), mute(6), at(7), atPPP(8)}
	return Personality{
		ID: "fibocom-l610", Manufacturer: "Fibocom", Product: "Fibocom L610", Serial: "0000", IMEI: "860000000000129",
		Source: "ModemManager's Fibocom plugin and port rules, logs of +GTRNDIS",
		Compositions: []Composition{
			{Mode: "ecm", VID: 0x1782, PID: 0x4d11, Ports: ports, Net: ecm(0), Gateway: "192.168.42.1"},
			{Mode: "rndis", VID: 0x1782, PID: 0x4d11, Ports: ports, Net: rndis(0), Gateway: "192.168.42.1"},
			{Mode: "at", VID: 0x1782, PID: 0x4d10, Ports: []Port{at(0), logPort(1), logPort(2), mute(3), mute(4), at(5), atPPP(6)}},
		},
		USBModes: map[string]string{"31": "at", "32": "ecm", "33": "rndis"},
		Sets:     []string{"fibocom"}, Dial: DialCommand, CID: 1, Attach: 1, NoCounter: true,
		Answers: fibocomAnswers("L610-CN-00", "16000.1000.00.01.01.03"),
	}
}

func fibocomQC() Personality {
	ports := []Port{logPort(0), at(1), at(2), atPPP(3)}
	return Personality{
		ID: "fibocom-qc", Manufacturer: "Fibocom Wireless Inc.", Product: "Fibocom FM150 Modem", Serial: "12345678", IMEI: "860000000000137",
		Source: "ModemManager's Fibocom plugin and port rules, QModem's parsers",
		Compositions: []Composition{
			{Mode: "ecm", VID: 0x2cb7, PID: 0x0104, Ports: ports, Net: ecm(4), Gateway: "192.168.225.1"},
			{Mode: "qmi", VID: 0x2cb7, PID: 0x0104, Ports: ports, Net: Net{4, "qmi_wwan"}, Control: true, Bridged: true},
			{Mode: "rndis", VID: 0x2cb7, PID: 0x0104, Ports: []Port{logPort(2), at(3), at(4), atPPP(5)}, Net: rndis(0), Gateway: "192.168.225.1"},
		},
		USBModes: map[string]string{"17": "qmi", "18": "ecm", "24": "rndis"},
		Sets:     []string{"fibocom"}, Dial: DialCommand, CID: 1, Attach: 1, Slots: 50,
		Answers: fibocomAnswers("FM150-AE-00", "89602.1000.00.04.01.02"),
	}
}

func fibocomMTK() Personality {
	return Personality{
		ID: "fibocom-mtk", Manufacturer: "Fibocom Wireless Inc.", Product: "FM350-GL", Serial: "001000100000000", IMEI: "860000000000145",
		Source: "public logs of FM350 (+GTDNS, +CGPADDR with dotted IPv6, +GTCCINFO)",
		Compositions: []Composition{
			{Mode: "rndis", VID: 0x0e8d, PID: 0x7127, Ports: []Port{logPort(2), mute(3), at(4), logPort(5), at(6), atPPP(7)}, Net: rndis(0), AddressStatic: true},
		},
		USBModes: map[string]string{"41": "rndis"},
		Sets:     []string{"fm350"}, Dial: DialContext, CID: 0, Attach: 1, AddrFormat: "dotted",
		Answers: fibocomAnswers("FM350-GL", "81600.0000.00.29.20.22"),
	}
}
