package config

import "time"

type rawModem struct {
	At       *node              `toml:"-"`
	Owner    val[string]        `toml:"owner" one:"luatnetd system"`
	Match    rawModemMatch      `toml:"match"`
	Port     val[string]        `toml:"port"`
	APN      val[string]        `toml:"apn"`
	User     val[string]        `toml:"user"`
	Password val[string]        `toml:"password"`
	Auth     val[string]        `toml:"auth" one:"auto none pap chap both"`
	PDPType  val[string]        `toml:"pdp_type" one:"IP IPV6 IPV4V6"`
	PIN      val[string]        `toml:"pin"`
	Roaming  val[bool]          `toml:"roaming"`
	SIMSlot  val[int64]         `toml:"sim_slot" range:"0 4"`
	RAT      val[string]        `toml:"rat" one:"keep auto gsm umts lte nr"`
	Bands    val[string]        `toml:"bands"`
	PLMN     val[string]        `toml:"plmn"`
	USBMode  val[string]        `toml:"usb_mode" one:"keep ecm rndis ncm qmi mbim"`
	Data     val[string]        `toml:"data" one:"auto netdev ppp qmi mbim"`
	HubPower val[bool]          `toml:"hub_power"`
	Power    val[string]        `toml:"power"`
	PowerOff val[time.Duration] `toml:"power_off" range:"1s 1m"`
	SIMs     []rawSIM           `toml:"sim"`
}

type rawModemMatch struct {
	At   *node       `toml:"-"`
	Path val[string] `toml:"path"`
	IMEI val[string] `toml:"imei"`
	ID   val[string] `toml:"usb_id"`
}

type rawSIM struct {
	At       *node       `toml:"-"`
	ICCID    val[string] `toml:"iccid" need:"yes"`
	APN      val[string] `toml:"apn"`
	User     val[string] `toml:"user"`
	Password val[string] `toml:"password"`
	Auth     val[string] `toml:"auth" one:"auto none pap chap both"`
	PDPType  val[string] `toml:"pdp_type" one:"IP IPV6 IPV4V6"`
	PIN      val[string] `toml:"pin"`
	Roaming  val[bool]   `toml:"roaming"`
}
