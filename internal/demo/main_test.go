package demo_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(playVariable) != "" {
		os.Exit(playDemo())
	}
	goleak.VerifyTestMain(m)
}
