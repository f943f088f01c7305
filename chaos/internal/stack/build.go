//go:build unix

package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/parley-run/parley/internal/localstack/build"
)

const module = "github.com/parley-run/parley/"

// Build compiles the programs into dir. flags are further arguments of the builds of
// worker and starter. Without any, what an earlier run has compiled is used if the source
// is the same: it is kept beside this program.
func Build(ctx context.Context, dir string, flags ...string) (Programs, error) {
	self, err := os.Executable()
	if err != nil {
		return Programs{}, fmt.Errorf("stack: %w", err)
	}
	devserver, _, err := build.Cache{OnProgress: build.Lines(os.Stderr, 10*time.Second, time.Now)}.Devserver(ctx)
	if err != nil {
		return Programs{}, fmt.Errorf("stack: %w", err)
	}
	p := Programs{Devserver: devserver, Self: self}
	kept := filepath.Join(filepath.Dir(self), "chaos-programs")
	if err := os.MkdirAll(kept, 0o750); err != nil {
		return Programs{}, fmt.Errorf("stack: %w", err)
	}
	unlock, err := lock(filepath.Join(kept, "lock"))
	if err != nil {
		return Programs{}, err
	}
	defer unlock()
	for _, program := range []struct {
		pkg     string
		out     *string
		changed bool // by flags
	}{
		{"simulator", &p.Simulator, false}, {"internal/pulsetest/server", &p.Pulse, false}, {"starter", &p.Starter, true}, {"worker", &p.Worker, true},
	} {
		name := filepath.Base(program.pkg)
		*program.out = filepath.Join(dir, name)
		if program.changed && len(flags) > 0 {
			if err := goBuild(ctx, program.pkg, *program.out, flags...); err != nil {
				return Programs{}, err
			}
			continue
		}
		if err := goBuild(ctx, program.pkg, filepath.Join(kept, name)); err != nil {
			return Programs{}, err
		}
		// A name of its own: a later build must not change the programs of this run.
		if err := os.Link(filepath.Join(kept, name), *program.out); err != nil {
			if err := goBuild(ctx, program.pkg, *program.out); err != nil {
				return Programs{}, err
			}
		}
	}
	return p, nil
}

func goBuild(ctx context.Context, pkg, out string, flags ...string) error {
	args := append([]string{"build", "-o", out}, flags...)
	text, err := exec.CommandContext(ctx, "go", append(args, module+pkg)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("stack: go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}
