// Command lambda serves conversations inside invocations of an AWS Lambda function: each
// invocation is one slice of a worker, and the next one continues where it has stopped.
// docs/deploy.md says how to set it up.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/parley-run/parley/internal/process/private"
)

func main() {
	if err := private.Keep(); err != nil {
		fmt.Fprintln(os.Stderr, "lambda: programs of executors and tools can read the function's environment:", err)
	}
	settings, err := read(os.LookupEnv)
	if err != nil {
		// The first invocation has the reason as its error.
		lambda.Start(func(context.Context) error { return err })
		return
	}
	if settings.Memory > 0 {
		// The sticky cache is made to fit it.
		debug.SetMemoryLimit(settings.Memory * memoryTenths / 10)
	}
	lambda.Start(settings.handle)
}

// memoryTenths is the part of the function's memory that Go may use: the rest is for the
// programs of executors and tools.
const memoryTenths = 8

// errTimeout: the function's timeout leaves no time to work.
var errTimeout = errors.New("the function's timeout is too short")

func (s settings) tooShort(left string) error {
	return fmt.Errorf("lambda: %w: %s are left, and %v of them are for draining (%s) and the end (%s): set the timeout to %v or more, 15m at most",
		errTimeout, left, s.Drain+s.Margin, drainVariable, marginVariable, s.Drain+s.Margin+leastWork)
}
