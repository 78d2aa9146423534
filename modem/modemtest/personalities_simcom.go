package modemtest

import "luatnetd/modem"

// cpsi is the serving cell of a SIMCom module (RSRQ, RSRP and RSSI in tenths).
const cpsi = "HEARD?+CPSI: NO SERVICE,Online\n" +
	"+CPSI: LTE,Online,{mcc}-{mnc},0x{tac},{cellnum},{pci},EUTRAN-BAND{band},{earfcn},5,5,{rsrq10},{rsrp10},{rssi10},{sinr}"

func simcomAnswers(model, revision string) map[string]string {
	return map[string]string{
		"I":     "Manufacturer: SIMCOM INCORPORATED\nModel: " + model + "\nRevision: " + revision + "\nIMEI: {imei}\n+GCAP: +CGSM",
		"+CGMI": "SIMCOM INCORPORATED", "+CGMM": model, "+CGMR": "+CGMR: " + revision,
		"+CPSI?": cpsi, "+CPMUTEMP": "+CPMUTEMP: {temp}", "+CBC": "+CBC: {volts}V",
		"+CICCID": "SIM?\n+ICCID: {iccid}",
	}
}

func simcom7600() Personality {
	return Personality{
		ID: "simcom-7600", Manufacturer: "SimTech, Incorporated", Product: "SimTech, Incorporated", Serial: "0123456789ABCDEF", IMEI: "860000000000087",
		Source: "vendor command manual, ModemManager's port rules",
		Compositions: []Composition{
			{Mode: "qmi", VID: 0x1e0e, PID: 0x9001, Ports: append(qcPorts(0), mute(4)), Net: Net{5, "qmi_wwan"}, Control: true, Bridged: true},
			{Mode: "rndis", VID: 0x1e0e, PID: 0x9011, Ports: append(qcPorts(2), mute(7)), Net: rndis(0), Gateway: "192.168.225.1", First: modem.Class{Class: 2, Sub: 2, Protocol: 0xff}},
			{Mode: "ecm", VID: 0x1e0e, PID: 0x9018, Unbound: true, Ports: qcPorts(0), Net: ecm(5), Gateway: "192.168.225.1"},
		},
		Sets: []string{"simcom"}, Dial: DialCommand, CID: 1, Attach: 1, Slots: 30,
		Answers: simcomAnswers("SIMCOM_SIM7600E", "LE20B04SIM7600G22"),
	}
}

func simcom7600RNDIS() Personality {
	p := simcom7600()
	p.ID, p.Dial, p.IMEI = "simcom-7600-rndis", DialSelf, "860000000000095"
	p.Compositions[0], p.Compositions[1] = p.Compositions[1], p.Compositions[0]
	return p
}

func simcom7600ECM() Personality {
	p := simcom7600()
	p.ID, p.Dial, p.IMEI = "simcom-7600-ecm", DialSelf, "860000000000103"
	p.Compositions[0], p.Compositions[2] = p.Compositions[2], p.Compositions[0]
	return p
}

func simcomA76xx() Personality {
	ports := []Port{logPort(2), mute(3), at(4), atPPP(5)}
	return Personality{
		ID: "simcom-a76xx", Manufacturer: "SIMCOM", Product: "A7670E", Serial: "20210401", IMEI: "860000000000111",
		Source: "setup notes on A7670 (+DIALMODE, $MYCONFIG), ModemManager's port rules",
		Compositions: []Composition{
			{Mode: "rndis", VID: 0x1e0e, PID: 0x9011, Ports: ports, Net: rndis(0), Gateway: "192.168.0.1"},
			{Mode: "ecm", VID: 0x1e0e, PID: 0x9011, Ports: ports, Net: ecm(0), Gateway: "192.168.0.1"},
		},
		Sets: []string{"a76xx"}, Dial: DialSelf, CID: 1, Attach: 1, Slots: 50,
		Answers: simcomAnswers("A7670E-LASA", "A011B07A7670M7_F"),
	}
}
