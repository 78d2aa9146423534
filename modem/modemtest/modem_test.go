package modemtest

import (
	"testing"
	"time"
)

// From power-on to an address, as EC25 answers.
func TestQuectelToAddress(t *testing.T) {
	var data []DataState
	card := SIM{ICCID: "89860000000000000025", IMSI: "460000000000025"}.Lock("4321", "87654321")
	bubble(t, personality(t, "quectel-qc"), Options{SIM: &card, Data: func(d DataState) { data = append(data, d) }}, func(t *testing.T, m *Modem) {
		h := plug(t, m, 2)
		time.Sleep(time.Second)
		if got := h.raw("AT", time.Second); got != "AT\r\r\nOK\r\n" {
			t.Errorf("AT: %q", got)
		}
		h.want("ATE0", "OK")
		if got := h.raw("AT+CSQ", time.Second); got != "\r\n+CSQ: 99,99\r\n\r\nOK\r\n" && got != "\r\n+CSQ: 24,99\r\n\r\nOK\r\n" {
			t.Errorf("AT+CSQ: %q", got)
		}
		h.want("AT+CPIN?", "+CPIN: SIM PIN", "OK")
		h.want("AT+CIMI", "ERROR")
		h.want("AT+CMEE=1", "OK")
		h.want("AT+CIMI", "+CME ERROR: 11")
		h.want("AT+QPINC?", `+QPINC: "SC",3,10`, `+QPINC: "P2",3,10`, "OK")
		h.want(`AT+CPIN="1111"`, "+CME ERROR: 16")
		h.want(`AT+CSIM=10,"0020000100"`, `+CSIM: 4,"63C2"`, "OK")
		h.want(`AT+CEREG=2`, "OK")
		h.want(`AT+CEREG?`, "+CEREG: 2,0", "OK")
		h.want(`AT+CPIN=4321`, "OK", "+CPIN: READY", "+CEREG: 2", `+CEREG: 1,"1A2B","0A1B2C3D",7`)
		h.want("AT+CIMI", "460000000000025", "OK")
		h.want(`AT+CEREG?`, `+CEREG: 2,1,"1A2B","0A1B2C3D",7`, "OK")
		h.want("AT+CGACT?", "+CGACT: 1,1", "OK")
		h.want("AT+CGPADDR=1", `+CGPADDR: 1,"10.32.140.11"`, "OK")
		h.want("AT+COPS?", `+COPS: 0,2,"46000",7`, "OK")
		if c := m.Counters(); c.PINs != 2 || c.WrongPINs != 1 {
			t.Errorf("counters %+v", c)
		}
		if len(data) != 1 || !data[0].Up || !data[0].Forwards || data[0].Lease.String() != "192.168.225.2/24" {
			t.Errorf("data plane %+v", data)
		}
	})
}

// The quirks of V1011.
func TestAir780Quirks(t *testing.T) {
	bubble(t, personality(t, "air780-at"), Options{}, func(t *testing.T, m *Modem) {
		h := plug(t, m, 2)
		time.Sleep(3 * time.Second)
		h.want("ATE0V1", "OK")
		h.want("AT+CMEE=1", "OK")
		h.want("AT+CCED", "+CME ERROR: 3")
		h.want("AT+CEREG?", "+CGREG: 0,1", "OK")
		h.want("AT+CREG?", "+CREG: 0,0", "OK")
		h.want("AT+CEER", "+CME ERROR: operation not supported")
		h.want("AT+CBC", "+CBC: 3864", "OK")
		h.want("AT+RNDISCALL?", "+RNDISCALL:1", "OK")
		h.want("AT+CCED=0,1", "+CCED:LTE current cell:460,00,460000000000017,0,3,n100,1650,169552957,51,20,6699,3,81", "OK")
	})
}
