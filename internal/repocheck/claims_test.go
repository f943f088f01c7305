package repocheck_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandsExist(t *testing.T) {
	t.Parallel()
	targets := makeTargets(t)
	for _, doc := range documents(t) {
		for _, c := range doc.commands {
			for _, fault := range commandFaults(c.text, targets) {
				t.Errorf("%s:%d: %q: %s", doc.path, c.line, c.text, fault)
			}
		}
	}
}

func TestLinksLead(t *testing.T) {
	t.Parallel()
	docs := documents(t)
	for _, doc := range docs {
		for _, l := range doc.links {
			file, anchor, ok := doc.local(l.target)
			if !ok {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil || strings.HasPrefix(file, "../") {
				t.Errorf("%s:%d: the link %q leads to nothing", doc.path, l.line, l.target)
				continue
			}
			i := slices.IndexFunc(docs, func(d document) bool { return d.path == file })
			if anchor != "" && i >= 0 && !docs[i].headings[anchor] {
				t.Errorf("%s:%d: %s has no heading for #%s", doc.path, l.line, file, anchor)
			}
		}
	}
}

// machinePath finds paths of the author's machine.
var machinePath = regexp.MustCompile(`(?:^|[\s"'=(` + "`" + `])(/(?:root|Users|work)/[^\s"')` + "`" + `]*|/home/[^\s"')` + "`" + `]*|[A-Z]:\\\\?Users)`)

func TestNoMachinePaths(t *testing.T) {
	t.Parallel()
	for _, doc := range documents(t) {
		for i, line := range strings.Split(doc.text, "\n") {
			if m := machinePath.FindStringSubmatch(line); m != nil {
				t.Errorf("%s:%d: %s is a path of one machine", doc.path, i+1, m[1])
			}
		}
	}
}

var (
	ruleLine    = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):(?:[^=]|$)`)
	helpLine    = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):.*## `)
	phonyLine   = regexp.MustCompile(`(?m)^\.PHONY: ([a-z][a-z0-9-]*)$`)
	assignment  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
	commandEnds = regexp.MustCompile(`\s*(?:&&|\|\||[;|&])\s*`)
)

func makeTargets(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	targets := map[string]bool{}
	for _, m := range ruleLine.FindAllStringSubmatch(string(text), -1) {
		targets[m[1]] = true
	}
	return targets
}

func TestTargetsExplainThemselves(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	explained := map[string]bool{}
	for _, m := range helpLine.FindAllStringSubmatch(string(text), -1) {
		explained[m[1]] = true
	}
	for _, m := range phonyLine.FindAllStringSubmatch(string(text), -1) {
		if !explained[m[1]] && !strings.HasPrefix(m[1], "need-") {
			t.Errorf("make %s has no ## help", m[1])
		}
	}
}

// commandFaults says what a line of a document asks for that is not there.
func commandFaults(line string, targets map[string]bool) []string {
	var faults []string
	if before, _, found := strings.Cut(line, " # "); found {
		line = before
	}
	for _, part := range commandEnds.Split(line, -1) {
		words := strings.Fields(part)
		for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "sudo" || words[0] == "time" || words[0] == "env") {
			words = words[1:]
		}
		switch {
		case len(words) == 0:
		case words[0] == "make":
			for _, word := range words[1:] {
				if assignment.MatchString(word) {
					break // what follows may belong to a quoted value
				}
				if !strings.HasPrefix(word, "-") && !targets[strings.Trim(word, `.,"'`)] {
					faults = append(faults, "there is no make "+word)
				}
			}
		case len(words) > 2 && words[0] == "go" && (words[1] == "run" || words[1] == "build" || words[1] == "install" || words[1] == "test"):
			for _, word := range words[2:] {
				if name, ok := strings.CutPrefix(word, "./"); ok {
					faults = append(faults, missing(strings.TrimSuffix(name, "/..."))...)
				}
			}
		case strings.HasPrefix(words[0], "./"), strings.HasPrefix(words[0], ".ci/"):
			if !strings.HasPrefix(words[0], "./bin/") {
				faults = append(faults, missing(words[0])...)
			}
		}
	}
	return faults
}

func missing(name string) []string {
	if _, err := os.Stat(filepath.Join(root, name)); name != "..." && err != nil {
		return []string{"there is no " + name}
	}
	return nil
}

func TestCommandFaults(t *testing.T) {
	t.Parallel()
	targets := map[string]bool{"test": true, "demo": true}
	for _, tc := range []struct {
		name, line string
		faults     []string
	}{
		{"Target", "make test", nil},
		{"TargetWithArguments", `make demo ARGS="--exit --conversations 50"`, nil},
		{"TargetAfterAssignment", "CI=true make -j2 test", nil},
		{"NoTarget", "make coffee", []string{"there is no make coffee"}},
		{"SecondCommand", "cd x && make coffee", []string{"there is no make coffee"}},
		{"Package", "go run ./internal/repocheck --flag", nil},
		{"NoPackage", "go run ./coffee --flag", []string{"there is no coffee"}},
		{"AllPackages", "go test ./...", nil},
		{"Script", "./coffee.sh", []string{"there is no ./coffee.sh"}},
		{"Built", "./bin/worker", nil},
		{"Comment", "make test # then make coffee", nil},
		{"Other", "docker compose up", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.faults, commandFaults(tc.line, targets))
		})
	}
}

func TestParseDocument(t *testing.T) {
	t.Parallel()
	doc := parseDocument("docs/x.md", strings.Join([]string{
		"# Quick `start`, and more", "Run `make demo`; see [the guide](../guide.md#part-two \"title\") and `[no](link)`.",
		"```sh", "# a comment", "make test \\", "  PKG=./x", "```",
		"```console", "$ make lint", "make is only output here", "```",
		"```go", "make(chan int)", "```",
		"[ref]: other.md",
	}, "\n"))
	require.Equal(t, []command{{2, "make demo"}, {6, "make test  PKG=./x"}, {9, "make lint"}}, doc.commands)
	require.Equal(t, []link{{2, "../guide.md#part-two"}, {15, "other.md"}}, doc.links)
	require.Equal(t, map[string]bool{"quick-start-and-more": true}, doc.headings)
	file, anchor, ok := doc.local("../guide.md#part-two")
	require.True(t, ok)
	require.Equal(t, "guide.md", file)
	require.Equal(t, "part-two", anchor)
}
