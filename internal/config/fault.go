package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/internal/printable"
)

// A Fault is one thing that is wrong with the configuration, and how to repair it.
type Fault struct {
	// File and Line say where. Empty: the fault is in the environment. Line 0:
	// the file as a whole.
	File string
	Line int
	// Key is the setting, such as platforms.main.base_url, or the variable.
	Key string
	// Text follows the key: "is empty".
	Text string
	// Sentence means that the text is a sentence of its own and does not follow
	// the key.
	Sentence bool
	// Remedy says what would be right, where the text does not.
	Remedy string
	// Unset means that Key is a variable that is required and not set.
	Unset bool
}

// Error is "parley.yaml:7: platforms.main.base_url is empty: set it to …".
func (f *Fault) Error() string {
	var where string
	switch {
	case f.File != "" && f.Line > 0:
		where = fmt.Sprintf("%s:%d: ", f.File, f.Line)
	case f.File != "":
		where = f.File + ": "
	}
	text := clip(f.Text)
	if f.Remedy != "" {
		text += ": " + f.Remedy
	}
	switch {
	case f.Key == "":
		return where + text
	case f.Sentence:
		return where + clip(f.Key) + ": " + text
	default:
		return where + clip(f.Key) + " " + text
	}
}

// clip keeps what a file has on a line or two.
func clip(text string) string { return printable.ClipLetters(text, 400) }

// Faults is every [Fault] found, in the order of the file's lines.
type Faults []*Fault

// Error is one line for each fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults one by one.
func (fs Faults) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

// Join puts the faults of several errors into one error, sorted, each once. An
// error that holds none becomes a fault without a place. It is nil if all errs
// are.
func Join(errs ...error) error {
	var all Faults
	for _, err := range errs {
		for _, f := range joined.As(err, func(err error) *Fault { return &Fault{Text: err.Error()} }) {
			if !slices.ContainsFunc(all, func(have *Fault) bool { return *have == *f }) {
				all = append(all, f)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b *Fault) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	return all
}
