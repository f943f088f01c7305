package command

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/secret"
)

// minSecret is the shortest value of a variable that may be a secret: redacting "1"
// or "true" would make texts unreadable.
const minSecret = 6

// secrets redacts the values of configured variables from a program's output.
type secrets struct {
	clean  func(string) string // for errors: one bounded line
	redact func(string) string
}

func newSecrets(cfg Config) *secrets {
	values := make(map[string]secret.String)
	for name, value := range cfg.Env {
		values[name] = value
	}
	for _, name := range cfg.PassEnv {
		if value, ok := cfg.LookupEnv(name); ok {
			values[name] = secret.String(value)
		}
	}
	maps.DeleteFunc(values, func(_ string, s secret.String) bool { return len(s) < minSecret })
	// Longest first: one value may contain another.
	longest := slices.SortedFunc(maps.Values(values), func(a, b secret.String) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, s := range longest {
		pairs = append(pairs, s.Reveal(), s.String())
	}
	return &secrets{clean: modelcall.NewCleaner("", values), redact: strings.NewReplacer(pairs...).Replace}
}

// maxLogLine bounds a line of the log.
const maxLogLine = 2 << 10

// logLine prepares a line of a program for the log.
func (s *secrets) logLine(line []byte) string {
	return printable.Name(s.redact(string(line)), maxLogLine)
}
