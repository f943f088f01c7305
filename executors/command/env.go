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

// minSecret is the length from which a variable's value may be a secret: hiding
// every "1" or "true" would make texts unreadable.
const minSecret = 6

// secrets takes the values of configured variables out of what a program writes.
type secrets struct {
	clean  func(string) string // for errors: one line, not long
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
	// The longest first: one may be part of another.
	longest := slices.SortedFunc(maps.Values(values), func(a, b secret.String) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, s := range longest {
		pairs = append(pairs, s.Reveal(), s.String())
	}
	return &secrets{clean: modelcall.NewCleaner("", values), redact: strings.NewReplacer(pairs...).Replace}
}

// maxLogLine bounds a line of the log.
const maxLogLine = 2 << 10

// logLine makes what a program writes fit for the log.
func (s *secrets) logLine(line []byte) string {
	return printable.Name(s.redact(string(line)), maxLogLine)
}
