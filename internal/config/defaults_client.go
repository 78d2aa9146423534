package config

import "time"

// The defaults of long connections. What has no other source is LuatOS's
// long-connection demo.
const (
	defKind           = "tcp"
	defSwitch         = "follow"
	defConnectTimeout = 30 * time.Second
	defConfirmTimeout = 15 * time.Second
	defCloseTimeout   = 5 * time.Second
	defReconnect      = 5 * time.Second
	defReconnectMax   = 2 * time.Minute // ours: LuatOS waits 5 s for ever
	defBackoff        = "exponential"
	defWindowBytes    = 64 << 10
	defWindowMessages = 256
	defTrace          = 16 << 10
	defFrameSend      = "none"
	defFrameRecv      = "read"
	defDelimiter      = "\r\n"
	defIdle           = 50 * time.Millisecond
	defKeepIdle       = 300 * time.Second
	defKeepInterval   = 10 * time.Second
	defKeepCount      = 3
	defMinVersion     = "1.2"
	defHeartbeat      = time.Minute
	defWhen           = "connect"
	defQueueMode      = "spill"
	defSync           = "each"
	defQueueBytes     = 16 << 20
	defQueueMessages  = 100000
	defFull           = "oldest"
	maxPayload        = 1024
	maxDelimiter      = 16

	defSerial         = "uart"
	defBaud           = 115200
	defDataBits       = 8
	defMaxFrame       = 64 << 10
	defTimer          = "timer"
	defTimerInterval  = 5 * time.Second
	defReport         = "Aircloud_main"
	defReportInterval = 30 * time.Second
	defMode           = "0660"

	defServerPort      = 50003
	defMaxClients      = 64
	defBroadcastPort   = 50000
	defServerHeartbeat = 15 * time.Second
	defReplyTimeout    = 3 * time.Second
	minSuspend         = 2 * time.Minute // client.SleepLead and SleepLeast, and time to report

	defWatchdog       = 180 * time.Second
	defGrace          = 3 * time.Second
	defMaxWait        = time.Hour
	defReboots        = 3
	defWatchdogDevice = "/dev/watchdog"

	defTimePort     = 123
	defTimeTimeout  = 2 * time.Second
	defTimeRetry    = 10 * time.Second
	defTimeInterval = time.Hour
	defRunDir       = "/run/luatnetd/queue"
)

// defWaits are how long each rung is given to help, in the order of rungs.
var defWaits = []time.Duration{30 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, time.Minute, 5 * time.Minute}

// defTimeServers are those of socket.sntp.
var defTimeServers = []string{"ntp.aliyun.com", "ntp.ntsc.ac.cn", "time1.cloud.tencent.com"}
