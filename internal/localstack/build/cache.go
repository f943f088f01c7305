package build

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	binaryPrefix  = "devserver-"
	partialPrefix = "building-"
	// keepBinaries is how many built devservers are kept, of some 130 MB each: enough to
	// switch between two branches.
	keepBinaries = 3
	// partialAge is the age at which an unfinished build counts as abandoned.
	partialAge = 24 * time.Hour
)

// prune removes all but the most recently used binaries, and abandoned builds. What
// cannot be removed stays.
func prune(cacheDir string, now time.Time) {
	entries, err := os.ReadDir(cacheDir)
	if err != nil {
		return
	}
	type file struct {
		path string
		used time.Time
	}
	var binaries []file
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		path := filepath.Join(cacheDir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), binaryPrefix):
			binaries = append(binaries, file{path, info.ModTime()})
		case strings.HasPrefix(e.Name(), partialPrefix) && now.Sub(info.ModTime()) > partialAge:
			_ = os.Remove(path)
		}
	}
	slices.SortFunc(binaries, func(a, b file) int { return b.used.Compare(a.used) })
	for i, b := range binaries {
		if i >= keepBinaries {
			_ = os.Remove(b.path)
		}
	}
}
