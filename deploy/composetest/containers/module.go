//go:build linux && containers

package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// buildModule builds a program of another project as that project does: with the versions
// of its own go.mod. "go install module@version" does not, or refuses to where the go.mod has
// exclude or replace directives.
func buildModule(ctx context.Context, module, version, pkg, ldflags, program string) error {
	text, err := command{dir: os.TempDir(), args: []string{"go", "mod", "download", "-json", module + "@" + version}}.run(ctx)
	var downloaded struct{ Dir string }
	if err := errors.Join(err, json.Unmarshal([]byte(text), &downloaded)); err != nil {
		return fmt.Errorf("download %s@%s: %w", module, version, err)
	}
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return err
	}
	build := command{
		dir: downloaded.Dir, env: []string{"GOWORK=off"}, shown: true,
		args: []string{"go", "build", "-ldflags", "-s -w " + ldflags, "-o", program, pkg},
	}
	if _, err := build.run(ctx); err != nil {
		return fmt.Errorf("build %s@%s: %w", module, version, err)
	}
	return nil
}
