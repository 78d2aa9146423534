package local

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"luatnetd/client"
)

// Reading is what a status report says. A nil or empty value is left out:
// not every device has a modem or a sensor.
type Reading struct {
	SignalDBm   *int     // of the modem
	ICCID       string   // of the SIM
	Time        int64    // Unix seconds
	ID          string   // IMEI, or what identifies the device
	CelsiusCPU  *float64 // temperature
	MilliVolt   *int     // supply
	Text        string   // the user's own
	TimeTrusted bool     // false leaves the time out: 1970 is no time
}

// field is one entry of the report, in the order of LuatOS's json.encode
// output: {"value":…,"data_type":…,"field_meaning":…}.
type field struct {
	Value   any `json:"value"`
	Type    int `json:"data_type"`
	Meaning int `json:"field_meaning"`
}

// Data types and meanings of AirCloud (LuatOS:script/libs/excloud.lua,
// DATA_TYPES and FIELD_MEANINGS).
const (
	typeInteger = 0
	typeFloat   = 1
	typeASCII   = 3
	typeUnicode = 5

	meaningCustom      = 0
	meaningTemperature = 256
	meaningSignal      = 782
	meaningICCID       = 783
	meaningDevice      = 798
	meaningVoltage     = 799
	meaningTime        = 1280
)

// Encode is the report as LuatOS's aircloud_data sends it.
func (r Reading) Encode() ([]byte, error) {
	list := []field{}
	add := func(there bool, meaning, kind int, value any) {
		if there {
			list = append(list, field{value, kind, meaning})
		}
	}
	add(r.SignalDBm != nil, meaningSignal, typeInteger, r.SignalDBm)
	add(r.ICCID != "", meaningICCID, typeASCII, r.ICCID)
	add(r.TimeTrusted, meaningTime, typeInteger, r.Time)
	add(r.ID != "", meaningDevice, typeASCII, r.ID)
	add(r.CelsiusCPU != nil, meaningTemperature, typeFloat, r.CelsiusCPU)
	add(r.MilliVolt != nil, meaningVoltage, typeInteger, r.MilliVolt)
	add(r.Text != "", meaningCustom, typeUnicode, r.Text)
	return json.Marshal(list)
}

// Report sends a status report at a fixed period. Name, Read, Send and Now are
// required.
type Report struct {
	Name  string         // tag: LuatOS's is "Aircloud_main"
	Every time.Duration  // 30 s; the first report comes after it
	Read  func() Reading // asked for every report: LuatOS asks once and repeats itself
	Send  Send
	Now   func() time.Time
	Log   *slog.Logger // nil for none
}

const reportEvery = 30 * time.Second

// Run sends until ctx ends.
func (r *Report) Run(ctx context.Context) error {
	tick := time.NewTicker(or(r.Every, reportEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			data, err := r.Read().Encode()
			if err != nil {
				return err
			}
			if _, err = r.Send(client.Message{Source: r.Name, Data: data, At: r.Now()}, nil); err != nil && r.Log != nil {
				r.Log.Debug("status report not sent", "source", r.Name, "err", err)
			}
		}
	}
}
