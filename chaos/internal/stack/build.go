package stack

import (
	"context"
	"fmt"
	"os/exec"
)

const module = "github.com/parley-run/parley/"

func goBuild(ctx context.Context, pkg, out string, flags ...string) error {
	args := append([]string{"build", "-o", out}, flags...)
	text, err := exec.CommandContext(ctx, "go", append(args, module+pkg)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("stack: go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}
