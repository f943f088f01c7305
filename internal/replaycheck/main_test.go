package replaycheck_test

import (
	"testing"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
)

func TestMain(m *testing.M) { localstacktest.Main(m) }
