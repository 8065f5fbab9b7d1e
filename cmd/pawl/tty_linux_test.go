package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// tty runs a command on a terminal of 100 columns and 30 lines, and records what
// the terminal was sent as its standard output: tty COMMAND…
func tty(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: tty COMMAND…")
	}
	host, guest, err := openTerminal(100, 30)
	ts.Check(err)
	defer host.Close()
	cmd := command(ts, args)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = guest, guest, guest
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	guest.Close()
	ts.Check(err)
	var screen bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&screen, host) // EIO: nobody has the terminal open any more
		read <- err
	}()
	select {
	case <-read:
	case <-time.After(scriptPatience):
		cmd.Process.Kill()
		<-read
	}
	err = cmd.Wait()
	ts.Stdout().Write(bytes.ReplaceAll(screen.Bytes(), []byte("\r\n"), []byte("\n")))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if (err != nil) != neg {
		ts.Fatalf("%v:\n%s", err, &screen)
	}
}

// openTerminal makes a pseudo terminal.
func openTerminal(columns, lines uint16) (host, guest *os.File, err error) {
	host, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(host.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: lines, Col: columns}); err != nil {
		return nil, nil, err
	}
	guest, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	return host, guest, err
}
