package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

const source = `<?xml version="1.0"?>
<serviceproviders format="2.0">
<country code="de"><provider><name>A</name><gsm>
  <network-id mcc="262" mnc="02"/><network-id mcc="262" mnc="04"/>
  <apn value="web.a"><usage type="internet"/><username>u</username><password>p</password><authentication method="pap"/></apn>
  <apn value="mms.a"><usage type="mms"/></apn>
  <apn value="plain.a"/>
  <apn value="web.a"><usage type="internet"/><username>u</username><password>p</password><authentication method="pap"/></apn>
  <apn value="bad|a"><usage type="internet"/></apn>
</gsm></provider>
<provider><name>no network</name><gsm><apn value="x"/></gsm></provider>
<provider><name>CDMA</name><cdma><sid value="1"/></cdma></provider></country>
<country code="cn"><provider><gsm><network-id mcc="460" mnc="00"/><apn value="cmwap"/></gsm></provider></country>
</serviceproviders>`

func TestTable(t *testing.T) {
	table, err := tableOf([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	want := "26202 26204|web.a|u|p|pap\n26202 26204|plain.a|||\n" + strings.Join(china, "\n") + "\n"
	if table != want {
		t.Errorf("%s\nwant\n%s", table, want)
	}
	a, err := pack(table)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pack(table)
	if !bytes.Equal(a, b) {
		t.Error("the same table makes another file")
	}
	r, err := gzip.NewReader(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(r); string(got) != table {
		t.Errorf("%q", got)
	}
	if _, err := tableOf([]byte("<a")); err == nil {
		t.Error("a cut source is accepted")
	}
}
