package endtoend_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"

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
	runMoreAtOnce()
	localstacktest.Main(m, goleak.Cleanup(func(code int) {
		if dir, err := binaries(); err == nil {
			_ = os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}

// runMoreAtOnce raises the default of -parallel, the number of cores, to at least 4: the
// tests wait for timers and other processes most of the time.
func runMoreAtOnce() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(max(4, runtime.GOMAXPROCS(0))))
	}
}
