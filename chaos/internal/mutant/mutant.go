// Package mutant gives a worker a deliberate fault. It changes the source that the
// compiler sees (go build -overlay), so the product has no code for it.
package mutant

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Mutant is one change to one file.
type Mutant struct {
	Name string
	Does string
	File string // from the module's root
	Old  string
	New  string
}

// All are the mutants.
var All = []Mutant{
	{
		Name: "resend", Does: "sends a message again without looking whether the first one arrived",
		File: "activities/exchange.go",
		Old:  "if e.mark != nil || in.ReadOnly {",
		New:  "if in.ReadOnly {",
	},
}

// Flags are the arguments of go build for a mutant. dir is for the changed source. An
// empty name is the product as it is.
func Flags(name, dir string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	i := slices.IndexFunc(All, func(m Mutant) bool { return m.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("mutant: no mutant is called %q", name)
	}
	return All[i].flags(dir)
}

func (m Mutant) flags(dir string) ([]string, error) {
	root, err := root()
	if err != nil {
		return nil, err
	}
	original := filepath.Join(root, m.File)
	text, err := os.ReadFile(original)
	if err != nil {
		return nil, fmt.Errorf("mutant: %s: %w", m.Name, err)
	}
	if n := strings.Count(string(text), m.Old); n != 1 {
		return nil, fmt.Errorf("mutant: %s: %s has %q %d times, want once: adapt the mutant to the source", m.Name, m.File, m.Old, n)
	}
	changed := filepath.Join(dir, "mutant.go.txt")
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.Old, m.New, 1)), 0o600); err != nil {
		return nil, fmt.Errorf("mutant: %w", err)
	}
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return nil, fmt.Errorf("mutant: %w", err)
	}
	if err := os.WriteFile(overlay, data, 0o600); err != nil {
		return nil, fmt.Errorf("mutant: %w", err)
	}
	return []string{"-overlay", overlay}, nil
}

// root is the folder of the module.
func root() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/parley-run/parley").Output()
	if err != nil {
		return "", fmt.Errorf("mutant: find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
