package serial

import (
	"fmt"
	"os"
)

// FileLine returns a Line for RS485 that writes 1 and 0 to a file such as
// /sys/class/gpio/gpio17/value or /sys/class/leds/rs485-de/brightness.
func FileLine(path string) func(bool) error {
	return func(send bool) error {
		text := "0"
		if send {
			text = "1"
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("GPIO line: %w", err)
		}
		_, err = f.WriteString(text)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return fmt.Errorf("GPIO line: %w", err)
		}
		return nil
	}
}
