package process_test

import (
	"testing"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
)

// TestMain finds goroutines that are left, and stops the server of the tests that
// need one.
func TestMain(m *testing.M) { localstacktest.Main(m) }
