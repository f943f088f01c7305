package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// devserverName names the program in messages.
const devserverName = "the Temporal server"

// Cache says where the devserver's source is and where its binary is kept. The zero
// value is right for a checkout.
type Cache struct {
	// Dir is where built devservers are kept. Empty: "parley" in the user's cache
	// folder.
	Dir string
	// SourceDir is the folder of the devserver's module. Empty: look upwards from
	// the working directory, then ask the Go module proxy.
	SourceDir string
	// OnProgress receives the progress, one call at a time. Nil: none.
	OnProgress func(Progress)
}

// Devserver returns the path of the devserver's program, and builds it if the cache does
// not hold it; took is the duration of the build.
func (c Cache) Devserver(ctx context.Context) (binary string, took time.Duration, err error) {
	if c.OnProgress == nil {
		c.OnProgress = func(Progress) {}
	}
	cacheDir, err := c.dir()
	if err != nil {
		return "", 0, err
	}
	src, err := findSource(ctx, c)
	if err != nil {
		return "", 0, err
	}
	key, err := src.key()
	if err != nil {
		return "", 0, err
	}
	binary = filepath.Join(cacheDir, binaryPrefix+key+exeSuffix())
	if use(binary) {
		return binary, 0, nil
	}

	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", 0, fmt.Errorf("make the cache folder: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(cacheDir, "build.lock"), c.OnProgress)
	if err != nil {
		return "", 0, err
	}
	defer unlock()
	if use(binary) { // the process that held the lock has built it
		return binary, 0, nil
	}
	began := time.Now()
	if err := Program(ctx, devserverName, src.dir, ".", binary, c.OnProgress); err != nil {
		return "", 0, fmt.Errorf("%w; %w", err, errNoServer)
	}
	prune(cacheDir, began)
	return binary, time.Since(began), nil
}

// errNoServer is part of every failed build: both ways always work.
var errNoServer = errors.New("instead, give the address of a running Temporal server " +
	"or install the Temporal CLI (https://docs.temporal.io/cli)")

func (c Cache) dir() (string, error) {
	if c.Dir != "" {
		return c.Dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache folder: %w", err)
	}
	return filepath.Join(dir, "parley"), nil
}

// use reports whether the binary exists, and marks it as used.
func use(binary string) bool {
	info, err := os.Stat(binary)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(binary, now, now) // pruning goes by its age alone
	return true
}

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}
