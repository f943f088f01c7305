package endtoend_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
)

// asProgram makes the test binary one of the programs of programs_test.go, so that
// tests have real processes to run and to kill. Its value is the program's name.
const asProgram = "PARLEY_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if name := os.Getenv(asProgram); name != "" {
		program, ok := programs[name]
		if !ok {
			_, _ = fmt.Fprintln(os.Stderr, "no such program:", name)
			os.Exit(2)
		}
		program()
		os.Exit(0)
	}
	localstacktest.Main(m)
}
