package modem

// Action is what the machine wants done. It is one of the types below. Actions
// of one step are carried out in their order; Send, StartData, StopData, Save
// and Pull run beside the machine and come back as events.
type Action interface{ action() }

// Send puts a command into a port's queue; Replied comes back.
type Send struct {
	ID      uint64
	Port    string
	Command Command
}

// Open opens a port, or opens it anew; PortChanged comes back.
type Open struct{ Port string }

// Close closes a port.
type Close struct{ Port string }

// Save makes what must outlive a power cut durable; Finished comes back when
// it is on disk. An unproved PIN is not sent before.
type Save struct {
	ID     uint64
	Memory Memory
}

// StartData starts the data plane; DataChanged comes back.
type StartData struct{ Plan DataPlan }

// StopData ends it; DataChanged with DataAsked comes back.
type StopData struct{}

// DataPlan is how data flows.
type DataPlan struct {
	Kind     DataKind
	Netdev   string     // netdev and QMI, MBIM: the device; PPP: the name to give
	Port     string     // PPP: the tty, free of other use
	Dial     Command    // PPP: the command that ends in CONNECT
	Control  string     // QMI, MBIM: "/dev/cdc-wdm0"
	Settings DataAccess // QMI, MBIM and PPP: APN and credentials
	Bearer   Bearer     // netdev without DHCP: the addresses to use, zero asks DHCP
}

// DataKind is a data plane.
type DataKind string

// The data planes.
const (
	DataNetdev DataKind = "netdev" // ECM, RNDIS, NCM
	DataPPP    DataKind = "ppp"
	DataQMI    DataKind = "qmi"
	DataMBIM   DataKind = "mbim"
)

// DataAccess is the access to the network; Password is never shown.
type DataAccess struct{ APN, User, Password, Auth, PDPType string }

// String keeps the secrets.
func (a DataAccess) String() string { return "APN " + a.APN + " (" + a.PDPType + ")" }

// GoString keeps them, too.
func (a DataAccess) GoString() string { return a.String() }

// Release asks for a new lease: the address behind the modem has changed.
type Release struct {
	Why   string
	Cycle bool // the netdev goes down and up first
}

// Pull pulls a lever that is outside the AT port; Finished comes back.
type Pull struct {
	ID    uint64
	Lever Lever
}

// Lever is a way to move a modem from outside.
type Lever string

// The levers, from the mildest.
const (
	LeverNewID  Lever = "new_id"     // bind the option driver (usb-serial/drivers/option1/new_id)
	LeverRebind Lever = "usb rebind" // unbind and bind, or authorized 0 and 1
	LeverHub    Lever = "port power" // the hub port's disable file: opt-in
	LeverPower  Lever = "power"      // pwrpin: off for 5 s, on
)

// TellKind is what a program that follows the events matches; docs/api.md has
// them all.
type TellKind string

// Tell is an event for the journal and for "ctl events".
type Tell struct {
	Kind TellKind // "SIM_IND", "CELL_INFO_UPDATE", "modem", "sms"
	Text string   // a sentence
	Bad  bool     // a warning
	Attr map[string]string
}

// Answer answers a Request.
type Answer struct {
	ID    uint64
	Lines []string
	Err   error
}

// Received is an SMS that came in, whole, for the store; Finished with its ID
// comes back when it is kept, and only then it is deleted from the card.
type Received struct {
	ID  uint64
	SMS SMS
}

func (Send) action()      {}
func (Open) action()      {}
func (Close) action()     {}
func (Save) action()      {}
func (StartData) action() {}
func (StopData) action()  {}
func (Release) action()   {}
func (Pull) action()      {}
func (Tell) action()      {}
func (Answer) action()    {}
func (Received) action()  {}
