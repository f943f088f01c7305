// Package mutant gives workers, and the starter, a deliberate fault. It changes the source
// that the compiler sees (go build -overlay), so the product has no code for it.
package mutant

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parley-run/parley/chaos/internal/check"
)

// A Mutant is some changes to the source.
type Mutant struct {
	Name  string
	Does  string
	Edits []Edit
	// Only are the faults in which it shows, and Rate is how many times as many as
	// usual it takes to show it soon.
	Only string
	Rate float64
	// Breaks is a rule that the checker must find broken.
	Breaks string
}

// An Edit replaces a text that a file has once.
type Edit struct{ File, Old, New string }

// All are the mutants.
var All = []Mutant{
	{
		Name: "resend", Does: "sends a message again without looking whether the first one arrived",
		Edits: []Edit{{"activities/exchange.go", "if e.mark != nil || in.ReadOnly {", "if in.ReadOnly {"}},
		Only:  "reset,half-open,kill", Rate: 6, Breaks: check.RuleOrder,
	},
	{
		Name: "tools", Does: "makes a tool call again after its answer was lost",
		Edits: []Edit{
			{"activities/tool.go", "if t.mark != nil && !t.in.Call.Repeatable {", "if t.mark != nil && t.in.Call.Name == \"\" {"},
			{"activities/tool.go", "\tcase t.in.Call.Repeatable:\n\t\treturn err", "\tcase t.in.Call.Name != \"\":\n\t\treturn err"},
		},
		Only: "reset,half-open,kill", Rate: 6, Breaks: check.RuleTool,
	},
	{
		Name: "payments", Does: "asks the model again after its answer was recorded",
		Edits: []Edit{{
			"workflows/reply.go", "\tdone, e, err := q.ask(ctx, name)\n",
			"\tdone, e, err := q.ask(ctx, name)\n\tif done && err == nil {\n\t\tdone, e, err = q.ask(ctx, name)\n\t}\n",
		}},
		Only: "kill", Rate: 1, Breaks: check.RulePaid,
	},
	{
		Name: "claims", Does: "claims again what it has just claimed, and takes the refusal for another worker's claim",
		Edits: []Edit{{
			"activities/claim.go", "return s.Claim(ctx, k.in.Ref) })",
			"if err := s.Claim(ctx, k.in.Ref); err != nil {\n\t\t\treturn err\n\t\t}\n\t\treturn s.Claim(ctx, k.in.Ref)\n\t})",
		}},
		Only: "kill", Rate: 1, Breaks: check.RuleClaim,
	},
	{
		Name: "direct", Does: "answers a message again whose id it has answered",
		Edits: []Edit{
			{"internal/launch/direct.go", "\t\tUpdateID:     req.ID,\n", ""},
			{"workflows/side_direct.go", "\tif !s.mailbox.knows(req.ID) {\n\t\ts.mailbox.queue", "\tif req.ID != \"\" {\n\t\ts.mailbox.queue"},
		},
		Only: "kill", Rate: 1, Breaks: check.RuleSender,
	},
	{
		Name: "lost", Does: "drops some of the conversations that are assigned to it",
		Edits: []Edit{{"activities/poll_start.go", "return p.existing[id] ||", "return id[len(id)-1]%4 == 0 || p.existing[id] ||"}},
		Only:  "kill", Rate: 1, Breaks: check.RuleBegun,
	},
}

// Find is the mutant of that name.
func Find(name string) (Mutant, error) {
	i := slices.IndexFunc(All, func(m Mutant) bool { return m.Name == name })
	if i < 0 {
		return Mutant{}, fmt.Errorf("mutant: no mutant is called %q: use one of %s", name, strings.Join(names(), ", "))
	}
	return All[i], nil
}

func names() []string {
	var out []string
	for _, m := range All {
		out = append(out, m.Name)
	}
	return out
}

// Flags are the arguments of go build for a mutant. dir is for the changed source. An
// empty name is the product as it is.
func Flags(name, dir string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	m, err := Find(name)
	if err != nil {
		return nil, err
	}
	return m.flags(dir)
}

func (m Mutant) flags(dir string) ([]string, error) {
	root, err := root()
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, e := range m.Edits {
		text, ok := texts[e.File]
		if !ok {
			data, err := os.ReadFile(filepath.Join(root, e.File))
			if err != nil {
				return nil, fmt.Errorf("mutant: %s: %w", m.Name, err)
			}
			text = string(data)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return nil, fmt.Errorf("mutant: %s: %s has %q %d times, want once: adapt the mutant to the source", m.Name, e.File, e.Old, n)
		}
		texts[e.File] = strings.Replace(text, e.Old, e.New, 1)
	}
	replace := map[string]string{}
	for file, text := range texts {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "_")+".txt")
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("mutant: %w", err)
		}
		replace[filepath.Join(root, file)] = changed
	}
	overlay := filepath.Join(dir, "overlay.json")
	data, err := json.Marshal(map[string]any{"Replace": replace})
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
