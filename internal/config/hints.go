package config

import (
	"strings"

	"luatnetd/internal/order"
)

// later are the sections of work to come: refused, never silently ignored.
var later = map[string]string{
	"radio":          "several networks on one radio come with the Wi-Fi work; until then let hostapd or wpa_supplicant own the radio",
	"uplink.network": "Wi-Fi networks come with the Wi-Fi work; until then let wpa_supplicant associate and write address = \"dhcp\" or \"external\"",
	"lan.ap":         "the access point comes with the Wi-Fi work; until then let hostapd own it and write device = \"wlan0\" here",
	"lan.ipv6":       "IPv6 for the LAN comes with a later version",
}

const (
	hardware = "a hardware key of LuatOS"
	spelling = "a LuatOS key"
	chip     = "the Ethernet chip is described in the device tree and driven by the kernel; write only the device it becomes, as in device = \"eth0\""
	power    = "write power = \"gpio:/dev/gpiochip0:17\" in the [[uplink]], for a modem in [uplink.modem]"
	airlink  = "the link to the second chip is the kernel's business; write the device it becomes, as in device = \"usb0\""
	wifi     = "Wi-Fi comes with a later version; until then let wpa_supplicant or hostapd hold the network name and key"
	list     = "write an [[uplink]] for each, best first, with adapter = "
)

// foreign is a key of LuatOS's exnetif or dhcpsrv and its place here.
type foreign struct{ what, want, hint string }

var foreignKeys = map[string]foreign{
	"tp":                       {hardware, "nothing: Linux has another place for it", chip},
	"opts":                     {hardware, "nothing: Linux has another place for it", chip},
	"spi":                      {hardware, "nothing: Linux has another place for it", chip},
	"cs":                       {hardware, "nothing: Linux has another place for it", chip},
	"irq":                      {hardware, "nothing: Linux has another place for it", chip},
	"pwrpin":                   {hardware, "nothing: Linux has another place for it", power},
	"ethpower_en":              {hardware, "nothing: Linux has another place for it", power},
	"airlink_wifi_en_pin":      {hardware, "nothing: Linux has another place for it", power},
	"airlink_type":             {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_spi_id":           {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_cs_pin":           {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_rdy_pin":          {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_spi_speed":        {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_uart_id":          {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_uart_baud":        {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_wifi_uart_rx_pin": {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_wifi_uart_tx_pin": {hardware, "nothing: Linux has another place for it", airlink},
	"airlink_adapter":          {spelling, "uplink.adapter", "write adapter = \"LWIP_GP_GW\" in the [[uplink]]"},

	"ping_ip":            {spelling, "uplink.check.targets", "write [uplink.check] with targets = [\"223.5.5.5\"]"},
	"ping_time":          {spelling, "uplink.check.interval", "write [uplink.check] with interval = \"5s\": milliseconds become a number with a unit"},
	"need_ping":          {spelling, "uplink.check.method", "for need_ping = false write [uplink.check] with method = [\"none\"]; true is the default"},
	"local_network_mode": {spelling, "uplink.check.method", "write [uplink.check] with method = [\"gateway\"]"},
	"auto_socket_switch": {spelling, "failover.auto_socket_switch", "it is one choice for all uplinks: write it in [failover]"},
	"static_ip":          {spelling, "uplink.address", "write address = \"192.0.2.10/24\" and gateway = \"192.0.2.1\""},
	"ipv4":               {spelling, "uplink.address", "write address = \"192.0.2.10/24\""},
	"mark":               {spelling, "uplink.address", "LuatOS calls the network mask so; it is the length after the address: \"192.0.2.10/24\""},
	"gw":                 {spelling, "uplink.gateway", "write gateway = \"192.0.2.1\" in the [[uplink]]; a LAN's gateway is its address"},
	"adapter_addr":       {spelling, "lan.address", "write address = \"192.168.5.1/24\" in the [[lan]]"},
	"adapter_gw":         {spelling, "lan.address", "clients get the LAN's own address as gateway; leave it out"},
	"main_adapter":       {spelling, "lan.upstream", "a LAN follows failover by itself; to tie it down write upstream = [\"wan\"]"},
	"ip_start":           {spelling, "lan.dhcp.pool_start", "write the whole address: pool_start = \"192.168.5.100\""},
	"ip_end":             {spelling, "lan.dhcp.pool_end", "write the whole address: pool_end = \"192.168.5.200\""},
	"ack_cb":             {spelling, "nothing", "luatnetd ctl events -f shows every lease as it is given"},
	"need_ipv6_dns":      {spelling, "connection.ipv6", "write ipv6 = true in the [[connection]]"},
	"is_udp":             {spelling, "connection.kind", "write kind = \"udp\", or \"dtls\" where is_tls was true, too"},
	"is_tls":             {spelling, "connection.kind", "write kind = \"tls\""},
	"keep_idle":          {spelling, "connection.keepalive.idle", "write [connection.keepalive] with idle = \"300s\""},
	"keep_interval":      {spelling, "connection.keepalive.interval", "write [connection.keepalive] with interval = \"10s\""},
	"keep_cnt":           {spelling, "connection.keepalive.count", "write [connection.keepalive] with count = 3"},
	"server_cert":        {spelling, "connection.tls.ca", "write [connection.tls] with ca = \"/etc/luatnetd/ca.pem\": the path of the file, not its text"},
	"client_cert":        {spelling, "connection.tls.cert", "write [connection.tls] with cert = \"/etc/luatnetd/client.pem\": the path of the file, not its text"},
	"client_key":         {spelling, "connection.tls.key", "write [connection.tls] with key = \"/etc/luatnetd/client.key\": the path of the file, not its text"},
	"client_password":    {spelling, "connection.tls.key_password_file", "write [connection.tls] with key_password_file = \"/etc/luatnetd/client.pw\", or key_password"},
	"server_addr":        {spelling, "connection.host", "write host = \"192.0.2.10\" in the [[connection]]"},
	"server_port":        {spelling, "connection.port", "write port = 50003 in the [[connection]]"},
	"ssid":               {spelling, "nothing yet", wifi},
	"password":           {spelling, "nothing yet", wifi},
	"bssid":              {spelling, "nothing yet", wifi},
	"channel":            {spelling, "nothing yet", wifi},
	"ap_opts":            {spelling, "nothing yet", wifi},
	"ETHERNET":           {spelling, "[[uplink]]", list + "\"LWIP_ETH\""},
	"ETHUSER1":           {spelling, "[[uplink]]", list + "\"LWIP_USER1\""},
	"WIFI":               {spelling, "[[uplink]]", list + "\"LWIP_STA\""},
	"LWIP_GP":            {spelling, "[[uplink]]", list + "\"LWIP_GP\""},
	"airlink_4G":         {spelling, "[[uplink]]", list + "\"LWIP_GP_GW\""},
	"airlink_wifi":       {spelling, "[[uplink]]", list + "\"LWIP_STA\""},
}

// unknown reports a key that its section, with these keys, does not have. The
// value is not shown: it may be a password at the wrong place.
func (d decoder) unknown(n *node, keys []string) {
	path, section := n.path(), "the file"
	if n.parent.parent != nil {
		section = header(n.parent.path())
	}
	if why, ok := later[path]; ok {
		d.put(n, n, ScopeSection, path, "a section of a later version", "nothing here yet", why)
		return
	}
	if f, ok := foreignKeys[n.key]; ok {
		cut, scope := n, ScopeKey
		if strings.HasPrefix(f.want, n.parent.path()+".") { // static_ip spoils what a wrong address would spoil
			cut, scope = unit(n, f.want)
		}
		d.put(n, cut, scope, path, f.what, f.want, f.hint)
		return
	}
	what := "an unknown key"
	if n.kind == kindTable || n.kind == kindArray && len(n.items) > 0 && n.items[0].kind == kindTable {
		what = "an unknown section"
	}
	want, hint, spoils := "a key of "+section+": "+strings.Join(keys, ", "), belongs(n), path
	if near := nearest(n.key, keys); near != "" && hint == "" {
		// "adress" spoils what a wrong address would spoil.
		hint, spoils = didYouMean(n.key, keys), strings.TrimPrefix(n.parent.path()+"."+near, ".")
	}
	cut, scope := unit(n, spoils)
	d.put(n, cut, scope, path, what, want, hint)
}

// header writes the path of a section as the file does.
func header(path string) string {
	for _, k := range allKeys {
		if k.Path == path && k.Type == TypeSections {
			return "[[" + path + "]]"
		}
	}
	return "[" + path + "]"
}

// belongs says in which sections the key of n is known. The usual cause is a
// key of the whole file written after a section's header.
func belongs(n *node) string {
	var sections []string
	for _, k := range allKeys {
		if dir, key := k.Section(); key == n.key && dir != n.parent.path() {
			if dir == "" {
				return quote(key) + " stands at the top of the file, before the first [section]"
			}
			sections = append(sections, header(dir))
		}
	}
	if len(sections) == 0 || len(sections) > 3 {
		return ""
	}
	return quote(n.key) + " belongs into " + strings.Join(sections, " or ")
}

// ForeignKey is a key of LuatOS's exnetif or dhcpsrv that is refused with a
// hint, and its place here.
type ForeignKey struct{ Key, Want, Hint string }

// ForeignKeys lists them by name, for the documentation.
func ForeignKeys() []ForeignKey {
	var keys []ForeignKey
	for k, f := range foreignKeys {
		keys = append(keys, ForeignKey{k, f.want, f.hint})
	}
	order.Sort(keys, func(a, b ForeignKey) int { return strings.Compare(a.Key, b.Key) })
	return keys
}
