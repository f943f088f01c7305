//go:build linux && containers

package containers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// standInPrograms are built from ../standin/programs.
var standInPrograms = map[string]string{
	"temporal-server":   "go.temporal.io/server/cmd/server",
	"temporal-sql-tool": "go.temporal.io/server/cmd/tools/sql",
	"ui-server":         "github.com/temporalio/ui-server/v2/cmd/server",
}

// commandLineVersion is that of the program temporal. The images have 1.6, whose source is
// not whole on the module proxy; 1.5 has the commands that deploy/temporal uses.
const commandLineVersion = "v1.5.1"

// buildStandIns builds the images that a registry would have. recipes is the folder standin.
func (e *engine) buildStandIns(ctx context.Context, recipes string) error {
	debian, err := e.debian(ctx)
	if err != nil {
		return fmt.Errorf("an image of Debian: %w", err)
	}
	folder := filepath.Join(e.cache, "standin")
	if err := fillStandIns(ctx, recipes, folder); err != nil {
		return fmt.Errorf("what the images are made of: %w", err)
	}
	goroot, err := command{args: []string{"go", "env", "GOROOT"}}.run(ctx)
	if err != nil {
		return err
	}
	build := command{shown: true, env: append([]string{
		"STANDIN_CONTEXT=" + folder, "STANDIN_RECIPES=" + recipes, "STANDIN_DEBIAN=" + debian, "STANDIN_GOROOT=" + strings.TrimSpace(goroot),
	}, e.builder()...)}
	build.args = append(build.args, e.compose...)
	build.args = append(build.args, "--file", filepath.Join(recipes, "compose.yaml"), "--progress", "plain", "build")
	_, err = build.run(ctx)
	return err
}

// builder is the environment for builds: with compose's own client of the engine's builder,
// since another plugin may be missing.
func (e *engine) builder() []string {
	return append([]string{"COMPOSE_BAKE=false", "DOCKER_BUILDKIT=1"}, e.env...)
}

// debian returns the name of an image of this machine's release of Debian.
func (e *engine) debian(ctx context.Context) (string, error) {
	release, err := debianRelease()
	if err != nil {
		return "", err
	}
	image := "parley-standin/debian:" + release
	if _, err := e.run(ctx, "image", "inspect", image); err == nil {
		return image, nil
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return "", errors.New("debootstrap is missing: apt-get install debootstrap")
	}
	root, err := os.MkdirTemp(e.cache, "debian-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(root) }()
	bootstrap := command{shown: true, args: []string{"debootstrap", "--variant=minbase", "--include=ca-certificates", release, root}}
	if _, err := bootstrap.run(ctx); err != nil {
		return "", err
	}
	// This machine's certificates, which may be more than Debian's.
	const certificates = "etc/ssl/certs/ca-certificates.crt"
	if err := replace(filepath.Join(root, certificates), "/"+certificates); err != nil {
		return "", err
	}
	tar := exec.CommandContext(ctx, "tar", "--create", "--directory", root, "--exclude=./dev/*", "--exclude=./var/cache/apt/archives/*.deb", ".")
	load := exec.CommandContext(ctx, e.docker, "import", "-", image)
	load.Env = append(os.Environ(), e.env...)
	load.Stderr, tar.Stderr = os.Stderr, os.Stderr
	if load.Stdin, err = tar.StdoutPipe(); err != nil {
		return "", err
	}
	if err := errors.Join(tar.Start(), load.Run(), tar.Wait()); err != nil {
		return "", fmt.Errorf("import %s: %w", image, err)
	}
	return image, nil
}

// debianRelease returns the code name of this machine's release.
func debianRelease() (string, error) {
	file, err := os.Open("/etc/os-release")
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	values := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		values[name] = strings.Trim(value, `"`)
	}
	if values["ID"] != "debian" || values["VERSION_CODENAME"] == "" {
		return "", fmt.Errorf("this is %s: images are built from Debian's packages on Debian only; elsewhere, start a container engine", values["PRETTY_NAME"])
	}
	return values["VERSION_CODENAME"], nil
}

// fillStandIns makes the folder from which images are built.
func fillStandIns(ctx context.Context, recipes, folder string) error {
	modules := filepath.Join(recipes, "programs")
	for name, pkg := range standInPrograms {
		build := command{dir: modules, shown: true, args: []string{"go", "build", "-ldflags", "-s -w", "-o", filepath.Join(folder, "bin", name), pkg}}
		if _, err := build.run(ctx); err != nil {
			return err
		}
	}
	if err := buildModule(ctx, "github.com/temporalio/cli", commandLineVersion, "./cmd/temporal", "", filepath.Join(folder, "bin", "temporal")); err != nil {
		return err
	}
	collector := command{
		dir: filepath.Join(recipes, "collector"), shown: true,
		args: []string{"go", "build", "-ldflags", "-s -w", "-o", filepath.Join(folder, "bin", "otelcol-contrib"), "."},
	}
	if _, err := collector.run(ctx); err != nil {
		return err
	}
	sources := map[string]string{
		"postgres/docker-entrypoint.sh": filepath.Join(recipes, "postgres", "docker-entrypoint.sh"),
	}
	for module, files := range map[string]map[string]string{
		"go.temporal.io/server":              {"temporal/entrypoint.sh": "docker/scripts/sh/entrypoint.sh", "temporal/schema": "schema"},
		"github.com/temporalio/ui-server/v2": {"ui/docker.yaml": "config/docker.yaml", "ui/start-ui-server.sh": "docker/start-ui-server.sh"},
	} {
		dir, err := moduleFolder(ctx, modules, module)
		if err != nil {
			return err
		}
		for name, file := range files {
			sources[name] = filepath.Join(dir, file)
		}
	}
	for name, source := range sources {
		if err := replace(filepath.Join(folder, name), source); err != nil {
			return err
		}
	}
	return nil
}

// moduleFolder returns where the module cache has a module that the programs need.
func moduleFolder(ctx context.Context, modules, module string) (string, error) {
	if _, err := (command{dir: modules, args: []string{"go", "mod", "download", module}}).run(ctx); err != nil {
		return "", err
	}
	dir, err := command{dir: modules, args: []string{"go", "list", "-m", "-f", "{{.Dir}}", module}}.run(ctx)
	return strings.TrimSpace(dir), err
}

// replace copies a file or a folder in the place of what is there.
func replace(target, source string) error {
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(target, os.DirFS(source)) // its files are writable, as a module's are not
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
