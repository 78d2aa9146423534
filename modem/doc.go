// Package modem is the 4G modem (LuatOS socket.LWIP_GP) as values: the codec
// of AT answers, the profiles of the module families, the machine from
// power-on to data, its recovery ladder, the rules of PIN and APN. It is pure:
// it says which command to send and which lever to pull, and is told what came
// of it. Ports, processes and files are in modem/tty, modem/usb, modem/data
// and modem/drive.
//
// The field's terms are those of 3GPP TS 27.007 (AT commands), TS 27.005 (SMS)
// and TS 24.301 (EMM and ESM causes).
package modem
