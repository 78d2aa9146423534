package modemtest

// qcPorts are DIAG, NMEA, AT and modem, first the given interface.
func qcPorts(first int) []Port {
	return []Port{logPort(first), nmea(first + 1), at(first + 2), atPPP(first + 3)}
}

// neighbourcell is the serving cell once more, and one of another channel.
const neighbourcell = "HEARD?\n" + `+QENG: "neighbourcell intra","LTE",{earfcn},{pci},{rsrq},{rsrp},{rssi},0,23,4,12,10,62` + "\n" +
	`+QENG: "neighbourcell inter","LTE",3250,-,-,-,-,-,0,16,5`

func quectelQC() Personality {
	return Personality{
		ID: "quectel-qc", Manufacturer: "Quectel", Product: "EC25-EU", Serial: "0123456789ABCDEF", IMEI: "860000000000061",
		Source: "vendor command manual, QModem's parsers, ModemManager's port rules",
		Compositions: []Composition{
			{Mode: "ecm", VID: 0x2c7c, PID: 0x0125, Ports: qcPorts(0), Net: ecm(4), Gateway: "192.168.225.1"},
			{Mode: "qmi", VID: 0x2c7c, PID: 0x0125, Ports: qcPorts(0), Net: Net{4, "qmi_wwan"}, Control: true, Bridged: true},
			{Mode: "mbim", VID: 0x2c7c, PID: 0x0125, Ports: qcPorts(0), Net: Net{4, "cdc_mbim"}, Control: true},
			{Mode: "rndis", VID: 0x2c7c, PID: 0x0125, Ports: qcPorts(2), Net: rndis(0), Gateway: "192.168.225.1"},
		},
		Sets: []string{"quectel"}, Dial: DialSelf, CID: 1, Attach: 1, Slots: 50,
		Answers: map[string]string{
			"I": "Quectel\nEC25\nRevision: EC25EUGAR06A05M4G", "+CGMI": "Quectel", "+CGMM": "EC25", "+CGMR": "EC25EUGAR06A05M4G",
			`+QENG="servingcell"`: "HEARD?+QENG: \"servingcell\",\"SEARCH\"\n" +
				`+QENG: "servingcell","NOCONN","LTE","FDD",{mcc},{mnc},{cellhex},{pci},{earfcn},{band},5,5,{tac},{rsrp},{rsrq},{rssi},{sinr5},-`,
			`+QENG="neighbourcell"`: neighbourcell,
			"+QCSQ":                 "HEARD?+QCSQ: \"NOSERVICE\"\n" + `+QCSQ: "LTE",{rssi},{rsrp},{sinr5},{rsrq}`,
			"+QNWINFO":              "HEARD?+QNWINFO: No Service\n" + `+QNWINFO: "FDD LTE","{plmn}","LTE BAND {band}",{earfcn}`,
			"+QTEMP":                "+QTEMP: {temp},35,34",
			"+CBC":                  "+CBC: 0,80,{mv}",
			"+ICCID":                "SIM?\n+ICCID: {iccid}F",
			"+QGMR":                 "EC25EUGAR06A05M4G_01.001.01.001",
			"+CIND?":                "+CIND: 0,5,1,0,0,0,0",
		},
	}
}

func quectelEC200() Personality {
	ports := []Port{logPort(2), at(3), atPPP(4)}
	return Personality{
		ID: "quectel-ec200", Manufacturer: "Quectel", Product: "EC200A", Serial: "0000", IMEI: "860000000000079",
		Source: "logs of +QNETDEVCTL with EC200 (op, cid, urc, state), forum notes on ports",
		Compositions: []Composition{
			{Mode: "ecm", VID: 0x2c7c, PID: 0x6005, Ports: ports, Net: ecm(0), Gateway: "192.168.43.1"},
			{Mode: "rndis", VID: 0x2c7c, PID: 0x6005, Ports: ports, Net: rndis(0), Gateway: "192.168.43.1"},
		},
		Sets: []string{"quectel"}, Dial: DialCommand, CID: 1, Attach: 1, Slots: 50,
		Answers: map[string]string{
			"I": "Quectel\nEC200A\nRevision: EC200ACNLBR01A04M16", "+CGMI": "Quectel", "+CGMM": "EC200A", "+CGMR": "EC200ACNLBR01A04M16",
			`+QENG="servingcell"`: "HEARD?+QENG: \"servingcell\",\"SEARCH\"\n" +
				`+QENG: "servingcell","NOCONN","LTE","FDD",{mcc},{mnc},{cellhex},{pci},{earfcn},{band},5,5,{tac},{rsrp},{rsrq},{rssi},{sinr},-`,
			`+QENG="neighbourcell"`: neighbourcell,
			"+QCSQ":                 "HEARD?+QCSQ: \"NOSERVICE\"\n" + `+QCSQ: "LTE",{rssi},{rsrp},{sinr},{rsrq}`,
			"+QTEMP":                "+QTEMP: \"soc_therm\",\"{temp}\"\n+QTEMP: \"pa_therm\",\"35\"",
			"+ICCID":                "SIM?\n+ICCID: {iccid}",
		},
	}
}
