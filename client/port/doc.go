// Package port joins a serial port to the hub: what arrives is cut into
// messages and sent, what is received from servers is written. It is LuatOS's
// uart_app with limits.
//
// A target that is full stops the reading, so that the line's flow control,
// where there is one, stops the device: the bytes of a line without any are
// lost in the kernel once its 4 KiB are full. A slow line stops the writer,
// and with it the socket the data came from.
package port
