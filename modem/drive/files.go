package drive

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"luatnetd/internal/store"
	"luatnetd/modem"
)

// maxFile bounds the files of a modem.
const maxFile = 256 << 10

func (d *Driver) memoryPath() string {
	return filepath.Join(d.cfg.Dir, "modem-"+d.cfg.Settings.Uplink+".json")
}
func (d *Driver) smsPath() string {
	return filepath.Join(d.cfg.Dir, "sms-"+d.cfg.Settings.Uplink+".json")
}

// loadMemory reads what outlived the last run. A file that cannot be read is
// an error and an empty memory that knows it was lost: a PIN that may have been
// tried goes out only where the card's counter shows that it cost nothing.
func (d *Driver) loadMemory() (m modem.Memory, err error) {
	b, err := store.ReadFile(d.memoryPath(), maxFile)
	if errors.Is(err, store.ErrMissing) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return modem.Memory{Lost: true}, fmt.Errorf("memory of the modem: %w", err)
	}
	return m, nil
}

// saveMemory returns when it is on disk.
func (d *Driver) saveMemory(m modem.Memory) error {
	b, err := json.Marshal(m)
	if err == nil {
		_, err = store.WriteFile(d.memoryPath(), b, 0o600)
	}
	return err
}

// maxSMS is how many messages are kept; the oldest goes first.
const maxSMS = 100

// smsStore keeps the messages that came in. Driver.mu guards it.
type smsStore struct{ list []modem.SMS }

func (s *smsStore) load(path string) {
	if b, err := store.ReadFile(path, maxFile); err == nil && json.Unmarshal(b, &s.list) != nil {
		s.list = nil
	}
}

// keepSMS stores a message once; it returns when it is on disk.
func (d *Driver) keepSMS(m modem.SMS) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, old := range d.sms.list {
		if old.Key == m.Key {
			return nil
		}
	}
	next := append(d.sms.list, m)
	return d.writeSMS(next[max(0, len(next)-maxSMS):])
}

func (d *Driver) writeSMS(next []modem.SMS) error {
	b, err := json.Marshal(next)
	if err == nil {
		_, err = store.WriteFile(d.smsPath(), b, 0o600)
	}
	if err == nil {
		d.sms.list = next
	}
	return err
}

// SMS lists the messages that came in, the oldest first.
func (d *Driver) SMS() []modem.SMS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]modem.SMS{}, d.sms.list...)
}

// ErrNoSMS says that there is no such message.
var ErrNoSMS = errors.New("no such message")

// DeleteSMS deletes the message with that key, or all for "".
func (d *Driver) DeleteSMS(key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var next []modem.SMS
	for _, m := range d.sms.list {
		if key != "" && m.Key != key {
			next = append(next, m)
		}
	}
	if key != "" && len(next) == len(d.sms.list) {
		return ErrNoSMS
	}
	return d.writeSMS(next)
}
