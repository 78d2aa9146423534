package modemtest

func huaweiNDIS() Personality {
	return Personality{
		ID: "huawei-ndis", Manufacturer: "HUAWEI Technology", Product: "HUAWEI Mobile V7R11", Serial: "0123456789ABCDEF", IMEI: "860000000000152",
		Source: "ModemManager's Huawei plugin and its tests (^NDISSTATQRY), logs of ^HCSQ, ^CPIN and ^DHCP",
		Compositions: []Composition{
			{Mode: "ncm", VID: 0x12d1, PID: 0x15c1, Ports: []Port{
				atPPP(0).class(0xff, 2, 1), at(1).class(0xff, 2, 0x12), logPort(2).class(0xff, 2, 0x13),
			}, Net: Net{3, "huawei_cdc_ncm"}, Control: true, Bridged: true},
		},
		Sets: []string{"huawei"}, Dial: DialCommand, CID: 1, Attach: 1, Slots: 50,
		Answers: map[string]string{
			"I":     "Manufacturer: Huawei Technologies Co., Ltd.\nModel: ME909s-821\nRevision: 11.617.06.00.00\nIMEI: {imei}\n+GCAP: +CGSM,+DS,+ES",
			"+CGMI": "Huawei Technologies Co., Ltd.", "+CGMM": "ME909s-821", "+CGMR": "11.617.06.00.00",
			"^HCSQ?":     "HEARD?^HCSQ: \"NOSERVICE\"\n" + `^HCSQ: "LTE",{rssi121},{rsrp141},{sinr5},{rsrq20}`,
			"^MONSC":     "HEARD?^MONSC: NONE\n^MONSC: LTE,{mcc},{mnc},{earfcn},{cellhex},{pcihex},{tac},{rsrp},{rsrq},{rssi}",
			"^CHIPTEMP?": "^CHIPTEMP: {temp10},{temp10},65535,35,65535",
			"+CBC":       "+CBC: 0,0,{mv}",
			"+CCID":      "ERROR", "+ICCID": "ERROR",
		},
	}
}

func genericNet() Personality {
	return Personality{
		ID: "generic-net", Manufacturer: "Nobody", Product: "LTE Module", Serial: "1", IMEI: "860000000000160",
		Source: "3GPP only: a module that no table knows",
		Compositions: []Composition{
			{Mode: "ecm", VID: 0xfffe, PID: 0x4001, ACM: true, Ports: []Port{logPort(2), at(4), atPPP(6)}, Net: ecm(0), Gateway: "192.168.31.1"},
		},
		Dial: DialSelf, CID: 1, Attach: 1,
	}
}

func netOnly() Personality {
	return Personality{
		ID: "netonly", Manufacturer: "HUAWEI", Product: "HUAWEI Mobile", Serial: "", IMEI: "860000000000178",
		Source: "a stick that is a router of its own (HiLink): one netdev, no tty",
		Compositions: []Composition{
			{Mode: "ecm", VID: 0x12d1, PID: 0x14dc, Net: ecm(0), Gateway: "192.168.8.1"},
		},
		Dial: DialSelf, CID: 1, Attach: 1,
	}
}

func genericPPP() Personality {
	return Personality{
		ID: "generic-ppp", Manufacturer: "Nobody", Product: "UART Module", IMEI: "860000000000186",
		Source:       "3GPP only: one UART, dialled",
		Compositions: []Composition{{UART: true, Ports: []Port{{Interface: 0, Kind: KindAT, PPP: true}}}},
		Dial:         DialNone, CID: 1, Attach: 1,
		Answers: map[string]string{"+ICCID": "+CME ERROR: 4"},
	}
}
