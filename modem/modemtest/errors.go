package modemtest

// cmeText are the words of TS 27.007 §9.2.
var cmeText = map[int]string{
	3: "operation not allowed", 4: "operation not supported", 10: "SIM not inserted", 11: "SIM PIN required",
	12: "SIM PUK required", 13: "SIM failure", 14: "SIM busy", 15: "SIM wrong", 16: "incorrect password",
	20: "memory full", 21: "invalid index", 30: "no network service", 31: "network timeout",
	32: "network not allowed - emergency calls only", 40: "network personalization PIN required",
	50: "incorrect parameters", 100: "unknown", 103: "Illegal MS", 106: "Illegal ME", 107: "GPRS services not allowed",
	111: "PLMN not allowed", 112: "Location area not allowed", 113: "Roaming not allowed in this location area",
	132: "service option not supported", 133: "requested service option not subscribed",
	134: "service option temporarily out of order", 148: "unspecified GPRS error", 149: "PDP authentication failure",
	150: "invalid mobile class",
}

// cmsText are the words of TS 27.005 §3.2.5.
var cmsText = map[int]string{
	302: "operation not allowed", 304: "invalid PDU mode parameter", 305: "invalid text mode parameter",
	310: "SIM not inserted", 311: "SIM PIN required", 314: "SIM busy", 321: "invalid memory index",
	322: "memory full", 330: "SMSC address unknown", 331: "no network service", 500: "unknown error",
}
