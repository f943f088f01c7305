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

// The secrets of the executors under test.
const (
	Key       = "pk-very-secret-key-0123456789"
	HeaderKey = "hk-other-secret-9876543210"
)

// Main runs the tests of a package and requires that no goroutine is left and that
// the standard loggers, which SDKs write to, have logged no secret.
func Main(m *testing.M, secrets ...string) { goleak.VerifyTestMain(quietMain{m, secrets}) }

type quietMain struct {
	m       *testing.M
	secrets []string
}

// Run runs the tests.
func (q quietMain) Run() int {
	var logged bytes.Buffer // the standard loggers share its lock
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
