# The world around the installed daemon (sourced by install.sh): two providers
# and a client at one of two LAN ports, each a network namespace behind a veth pair; both providers
# have the same server of the internet.
server=198.51.100.1

provider() { # NAME GATEWAY-SIDE ADDRESS
  ip netns add "$1"
  ip link add "$2" type veth peer name eth0 netns "$1"
  ip -n "$1" link set lo up
  ip -n "$1" link set eth0 up
  ip -n "$1" addr add "$3/24" dev eth0
  ip -n "$1" addr add "$server/32" dev lo
}

make_world() {
  provider isp1 wan1 100.64.1.1
  provider isp2 wan2 100.64.2.1
  ip netns add client
  ip link add lan1 type veth peer name eth0 netns client
  ip -n client link set lo up
  ip -n client link set eth0 up
  ip link add lan2 type veth peer name lan2far
}

# config FIRST SECOND: the uplinks in this order
config() {
  local name
  echo 'version = 1'
  for name in "$1" "$2"; do
    cat <<END
[[uplink]]
name = "$name"
device = "$name"
address = "100.64.${name#wan}.2/24"
gateway = "100.64.${name#wan}.1"
[uplink.check]
targets = ["$server"]
interval = "1s"
timeout = "500ms"
hold_down = "1s"
END
  done
  cat <<END
[[lan]]
name = "lan"
ports = ["lan1", "lan2"]
address = "192.168.5.1/24"
[control]
group = "operators"
END
}

# What is somebody else's: it must be the same at the end.
make_foreign() {
  ip link add other0 type veth peer name other1
  ip addr add 10.9.0.1/24 dev other0
  ip link set other0 up
  ip route add blackhole 10.10.0.0/16
  ip rule add pref 20000 to 10.11.0.0/16 lookup 99
  nft 'add table inet other { chain c { type filter hook input priority 0; tcp dport 9 drop; }; }'
  echo mine >/etc/luatnetd.other
}

foreign() {
  ip -4 addr show dev other0 | grep inet
  ip route show type blackhole
  ip rule show pref 20000
  nft -s list table inet other
  cat /etc/luatnetd.other
}

# What the daemon leaves in the kernel, empty for nothing.
ours() {
  nft list tables | grep luatnetd
  ip -4 rule show | grep -vE '^(0|20000|32766|32767):'
  ip -4 route show table all proto 76
  ip -4 addr show | grep -E 'inet (100\.64|192\.168\.5)'
  ip link show br-lan 2>/dev/null
}
