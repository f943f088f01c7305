package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/localstack/child"
)

// newsEvery is the interval at which a silent build is reported, so that its clock
// moves.
const newsEvery = time.Second

// stopTimeout bounds the stop of a build.
const stopTimeout = 5 * time.Second

var errNoGo = errors.New("there is no go command on PATH (https://go.dev/dl)")

// Program compiles the package pkg of the module in dir to the file out, which it
// replaces once the new one is complete. Name is the program's name in messages.
func Program(ctx context.Context, name, dir, pkg, out string, onProgress func(Progress)) error {
	if err := program(ctx, name, dir, pkg, out, onProgress); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	return nil
}

func program(ctx context.Context, name, dir, pkg, out string, onProgress func(Progress)) error {
	goCommand, err := exec.LookPath("go")
	if err != nil {
		return errNoGo
	}
	partial, err := os.CreateTemp(filepath.Dir(out), partialPrefix)
	if err != nil {
		return err
	}
	_ = partial.Close()
	defer func() { _ = os.Remove(partial.Name()) }() // gone already if all went well

	news := newNews(name, onProgress, time.Now)
	stopClock := news.tick(newsEvery)
	defer stopClock()
	// Listing the packages downloads the sources.
	news.report(Progress{Step: StepDownload})
	total, main := 0, ""
	err = runGo(ctx, goCommand, dir, []string{"list", "-deps", "-f", "{{.ImportPath}}", pkg},
		func(path string) { total, main = total+1, path }, news.downloading)
	if err != nil {
		return err
	}
	news.compiling(total, main)
	if err := runGo(ctx, goCommand, dir, []string{"build", "-v", "-o", partial.Name(), pkg}, func(string) {}, news.compiled); err != nil {
		return err
	}
	if err := os.Chmod(partial.Name(), 0o755); err != nil {
		return err
	}
	if err := os.Rename(partial.Name(), out); err != nil {
		return err
	}
	news.report(Progress{Step: StepBuilt})
	return nil
}

// runGo runs the go command in a folder, line by line.
func runGo(ctx context.Context, goCommand, dir string, args []string, onStdout, onStderr func(string)) error {
	var words child.Tail
	cmd := exec.Command(goCommand, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "PWD="+dir)
	cmd.Stdout = child.Lines(onStdout)
	cmd.Stderr = child.Lines(func(line string) {
		words.Add(line)
		onStderr(line)
	})
	p, err := child.Start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Stop(stopTimeout)
		return context.Cause(ctx)
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("go %s: %w:\n%s", args[0], err, words.String())
	}
	return nil
}

// news turns the go command's output into progress.
type news struct {
	name  string
	tell  func(Progress)
	now   func() time.Time
	began time.Time
	main  string // the last package to be compiled

	mu   sync.Mutex
	last Progress
}

func newNews(name string, tell func(Progress), now func() time.Time) *news {
	return &news{name: name, tell: tell, now: now, began: now()}
}

// report passes p on with the time elapsed.
func (n *news) report(p Progress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = p
	n.again()
}

func (n *news) again() {
	p := n.last
	p.Program, p.Elapsed = n.name, n.now().Sub(n.began)
	n.tell(p)
}

// tick repeats the last progress until the returned function is called.
func (n *news) tick(every time.Duration) (stop func()) {
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				n.mu.Lock()
				n.again()
				n.mu.Unlock()
			}
		}
	}()
	return func() { close(quit); <-gone }
}

// downloading reads "go: downloading go.temporal.io/server v1.30.4".
func (n *news) downloading(line string) {
	if what, ok := strings.CutPrefix(line, "go: downloading "); ok {
		n.report(Progress{Step: StepDownload, Detail: what})
	}
}

// compiling announces that total packages will be compiled, main last.
func (n *news) compiling(total int, main string) {
	n.main = main
	n.report(Progress{Step: StepCompile, Total: total, Detail: "checking the build cache"})
}

// compiled reads the import paths that "go build -v" prints, one for each package that
// it compiles. Packages in Go's build cache are not printed.
func (n *news) compiled(line string) {
	switch {
	case strings.HasPrefix(line, "go: "), strings.HasPrefix(line, "#"), strings.ContainsAny(line, " \t"):
		n.downloading(line)
	case line == n.main:
		n.report(Progress{Step: StepLink})
	default:
		n.mu.Lock()
		defer n.mu.Unlock()
		n.last.Step, n.last.Detail = StepCompile, line
		n.last.Done = min(n.last.Done+1, n.last.Total)
		n.again()
	}
}
