package build

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A Step is a part of building or starting a program.
type Step string

// The steps, in their order. Most starts skip most of them.
const (
	StepFind     Step = "find"     // choosing which server to use
	StepWait     Step = "wait"     // another process builds the devserver
	StepDownload Step = "download" // fetching the sources
	StepCompile  Step = "compile"  // compiling them
	StepLink     Step = "link"     // linking them
	StepBuilt    Step = "built"    // the program has been built
	StepStart    Step = "start"    // the server is starting
	StepReady    Step = "ready"    // the server can be used
)

// Progress is one report about a build or a start.
type Progress struct {
	Step Step
	// Program is the name of the program.
	Program string
	// Detail is the current object: a package, a file.
	Detail string
	// Done and Total count packages while compiling. Total is zero while unknown.
	Done, Total int
	// Elapsed is the time since the whole build (or the wait for one) began.
	Elapsed time.Duration
}

// String is the progress in words, without the time.
func (p Progress) String() string {
	switch p.Step {
	case StepWait:
		return "waiting for another process that builds " + p.Program
	case StepDownload:
		if p.Detail == "" {
			return "searching for the sources of " + p.Program
		}
		return fmt.Sprintf("downloading %s for %s", p.Detail, p.Program)
	case StepCompile:
		if p.Total == 0 {
			return fmt.Sprintf("compiling %s · %s", p.Program, p.Detail)
		}
		return fmt.Sprintf("compiling %s · %d/%d packages · %s", p.Program, p.Done, p.Total, p.Detail)
	case StepLink:
		return "linking " + p.Program
	case StepBuilt:
		return fmt.Sprintf("%s built in %s", p.Program, p.Elapsed.Round(time.Second))
	case StepStart:
		return "starting " + p.Detail
	case StepReady:
		return "Temporal server ready: " + p.Detail
	default:
		return p.Detail
	}
}

// Lines returns a reporter that writes lines to w: one at each new step, and during a
// step at most one per interval. It suits logs.
func Lines(w io.Writer, every time.Duration, now func() time.Time) func(Progress) {
	var (
		mu   sync.Mutex
		step Step
		last time.Time
	)
	return func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		t := now()
		if p.Step == step && t.Sub(last) < every && p.Step != StepFind {
			return
		}
		step, last = p.Step, t
		if p.Elapsed >= time.Second && p.Step != StepBuilt {
			fmt.Fprintf(w, "%s (%s)\n", p, p.Elapsed.Round(time.Second))
			return
		}
		fmt.Fprintln(w, p)
	}
}
