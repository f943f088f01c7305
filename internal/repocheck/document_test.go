package repocheck_test

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the repository, from the folder that tests run in.
const root = "../.."

// A document is a Markdown file, taken apart.
type document struct {
	path     string // relative to the repository
	commands []command
	links    []link
	headings map[string]bool // as GitHub's anchors
	text     string
}

type command struct {
	line int
	text string
}

type link struct {
	line   int
	target string
}

// documents reads every Markdown file that people are pointed to. What is not
// written yet is not there to be wrong.
func documents(t *testing.T) []document {
	t.Helper()
	var found []document
	add := func(path string) {
		text, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) {
			return
		}
		require.NoError(t, err)
		found = append(found, parseDocument(path, string(text)))
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "AGENTS.md", "CHANGELOG.md"} {
		add(name)
	}
	for _, dir := range []string{"docs", "examples", "deploy", "bench", "conformance", "simulator", "devserver"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(at string, entry os.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err == nil && entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "testdata") {
				return filepath.SkipDir
			}
			if err == nil && strings.HasSuffix(at, ".md") {
				relative, _ := filepath.Rel(root, at)
				add(filepath.ToSlash(relative))
			}
			return err
		})
		require.NoError(t, err)
	}
	require.NotEmpty(t, found, "not one document found")
	return found
}

var (
	fence       = regexp.MustCompile("^\\s*(```+|~~~+)\\s*([\\w-]*)")
	heading     = regexp.MustCompile(`^#{1,6}\s+(.+?)\s*#*$`)
	inlineLink  = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	definedLink = regexp.MustCompile(`^\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)`)
	inlineCode  = regexp.MustCompile("`[^`]*`")
	anchorDrop  = regexp.MustCompile(`[^\p{L}\p{N}\p{M} _-]`)
)

// shells are the languages of fenced blocks that people type in. A block with a
// prompt is a session whatever its language is.
var shells = map[string]bool{"sh": true, "bash": true, "shell": true, "console": true, "shell-session": true, "terminal": true, "zsh": true}

func parseDocument(path, text string) document {
	doc := document{path: path, text: text, headings: map[string]bool{}}
	var (
		marker   string // of the block we are in
		language string
		prompted bool // the block has a prompt: the rest of it is output
		pending  string
	)
	scanner := bufio.NewScanner(strings.NewReader(text))
	scanner.Buffer(nil, 1<<20)
	for n := 1; scanner.Scan(); n++ {
		line := scanner.Text()
		if m := fence.FindStringSubmatch(line); m != nil && (marker == "" || strings.HasPrefix(strings.TrimSpace(line), marker)) {
			if marker == "" {
				marker, language, prompted, pending = m[1], m[2], false, ""
			} else {
				marker = ""
			}
			continue
		}
		if marker != "" {
			typed, isPrompt := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			prompted = prompted || isPrompt
			if !isPrompt && pending == "" && (prompted || !shells[language]) {
				continue
			}
			if typed = strings.TrimSpace(pending + " " + typed); strings.HasSuffix(typed, `\`) {
				pending = strings.TrimSuffix(typed, `\`)
				continue
			}
			pending = ""
			if typed != "" && !strings.HasPrefix(typed, "#") {
				doc.commands = append(doc.commands, command{n, typed})
			}
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			doc.headings[anchor(m[1])] = true
		}
		// `make x` in running text is a command as well.
		for _, code := range inlineCode.FindAllString(line, -1) {
			if code = strings.Trim(code, "`"); strings.HasPrefix(code, "make ") || strings.HasPrefix(code, "go run ") {
				doc.commands = append(doc.commands, command{n, code})
			}
		}
		prose := inlineCode.ReplaceAllString(line, "``")
		for _, m := range inlineLink.FindAllStringSubmatch(prose, -1) {
			doc.links = append(doc.links, link{n, m[1]})
		}
		if m := definedLink.FindStringSubmatch(prose); m != nil {
			doc.links = append(doc.links, link{n, m[1]})
		}
	}
	return doc
}

// anchor is what GitHub makes of a heading.
func anchor(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	heading = strings.ToLower(strings.TrimSpace(heading))
	return strings.ReplaceAll(anchorDrop.ReplaceAllString(heading, ""), " ", "-")
}

// local returns the file that a link points to, relative to the repository, and
// the anchor in it; ok is false for links that lead elsewhere.
func (d document) local(target string) (file, anchor string, ok bool) {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return "", "", false
	}
	file, anchor, _ = strings.Cut(target, "#")
	if file == "" {
		return d.path, anchor, true
	}
	return path.Join(path.Dir(d.path), file), anchor, true
}
