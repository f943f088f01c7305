// Package programtest has test binaries be the programs that their own tests run,
// and tells which of those programs are alive.
package programtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// Variable makes a test binary one of the programs that it gives [Main]. Its
// value is the program's name, the binary's arguments are the program's.
const Variable = "PARLEY_TEST_PROGRAM"

// Main is for TestMain: it runs the program that [Variable] names, or the tests,
// which must not leave a goroutine behind. A program that fails says so on its
// standard error and ends with status 3.
func Main(m *testing.M, programs map[string]func(args []string) error) {
	name := os.Getenv(Variable)
	if name == "" {
		goleak.VerifyTestMain(m)
		return
	}
	program, ok := programs[name]
	if !ok {
		_, _ = fmt.Fprintln(os.Stderr, "no such program:", name)
		os.Exit(2)
	}
	if err := program(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	os.Exit(0)
}

// Family makes a program that starts the program "child", and holds a connection
// to the roll at its first argument before it serves. With a second argument it
// heeds no signal and outlives its standard input.
func Family(serve func() error) func(args []string) error {
	return func(args []string) error {
		if len(args) > 1 {
			signal.Ignore(syscall.SIGTERM)
		}
		child := exec.Command(os.Args[0], args[0]) //nolint:gosec // ourselves
		child.Env = append(os.Environ(), Variable+"=child")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr // as careless programs do
		if err := child.Start(); err != nil {
			return err
		}
		conn, err := net.Dial("unix", args[0])
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if err := serve(); err != nil {
			return err
		}
		if len(args) > 1 {
			select {}
		}
		return nil
	}
}

// Child is the program "child": it holds a connection to the roll at its first
// argument, heeds no signal and never ends.
func Child(args []string) error {
	signal.Ignore(syscall.SIGTERM)
	conn, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	select {}
}
