package netif

import "strings"

// Adapter is a LuatOS adapter name such as LWIP_ETH. The numeric ids of the
// modules differ between chips and are not part of our interface.
type Adapter string

// The adapters of LuatOS's socket library. ETH0 is an alias of LWIP_ETH.
const (
	AdapterGP    Adapter = "LWIP_GP"    // cellular modem
	AdapterSTA   Adapter = "LWIP_STA"   // Wi-Fi station
	AdapterAP    Adapter = "LWIP_AP"    // Wi-Fi access point
	AdapterETH   Adapter = "LWIP_ETH"   // first Ethernet
	AdapterETH0  Adapter = "ETH0"       // LuatOS alias of LWIP_ETH
	AdapterUSB   Adapter = "LWIP_USB"   // USB netdev
	AdapterGPGW  Adapter = "LWIP_GP_GW" // modem reached through another chip: any netdev
	AdapterUser0 Adapter = "LWIP_USER0" // further netdevs, LWIP_USER0 to LWIP_USER7
	AdapterUser1 Adapter = "LWIP_USER1" // second Ethernet
)

// Adapters lists every valid adapter name in the order of the documentation.
func Adapters() []Adapter {
	list := []Adapter{AdapterETH, AdapterSTA, AdapterAP, AdapterGP, AdapterGPGW}
	for i := range 8 {
		list = append(list, Adapter("LWIP_USER"+string(rune('0'+i))))
	}
	return append(list, AdapterUSB, AdapterETH0)
}

// ParseAdapter returns the adapter called s; ok is false when there is none.
// Names are case-sensitive, as in LuatOS.
func ParseAdapter(s string) (a Adapter, ok bool) {
	for _, a := range Adapters() {
		if string(a) == s {
			return a, true
		}
	}
	return "", false
}

// PrintName is the name that exnetif passes to its notify callback:
// "Ethernet", "8101SPIETH", "WiFi", "4G" or "Unknown" (LuatOS exnetif.lua).
func (a Adapter) PrintName() string {
	switch a {
	case AdapterETH, AdapterETH0:
		return "Ethernet"
	case AdapterUser1:
		return "8101SPIETH"
	case AdapterSTA:
		return "WiFi"
	case AdapterGP:
		return "4G"
	case AdapterGPGW:
		return "airlink_4G"
	}
	return "Unknown"
}

// Wireless reports whether the adapter is a Wi-Fi one.
func (a Adapter) Wireless() bool { return a == AdapterSTA || a == AdapterAP }

// Cellular reports whether the adapter is a 4G modem, metered by default.
func (a Adapter) Cellular() bool { return strings.HasPrefix(string(a), "LWIP_GP") }
