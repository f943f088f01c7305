package modeltest

import (
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The secrets that executors are made with.
const (
	Key       = "pk-very-secret-key-0123456789"
	HeaderKey = "hk-other-secret-9876543210"
)

// Main runs a package's tests and requires that no goroutine is left over and
// that nothing of the standard loggers, which SDKs write to, holds a secret.
func Main(m *testing.M, secrets ...string) { goleak.VerifyTestMain(quietMain{m, secrets}) }

type quietMain struct {
	m       *testing.M
	secrets []string
}

// Run runs the tests.
func (q quietMain) Run() int {
	var logged bytes.Buffer // both loggers write under one lock
	log.SetOutput(&logged)
	slog.SetLogLoggerLevel(slog.LevelDebug)
	code := q.m.Run()
	for _, secret := range q.secrets {
		if bytes.Contains(logged.Bytes(), []byte(secret)) {
			_, _ = fmt.Fprintln(os.Stderr, "a secret was logged:\n"+logged.String())
			return 1
		}
	}
	return code
}
