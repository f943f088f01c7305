package process_test

import (
	"os"
	"testing"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
)

// TestMain finds goroutines that are left, and stops the server of the tests that
// need one.
func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		program()
	}
	localstacktest.Main(m)
}
