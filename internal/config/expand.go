package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An expander replaces references to the environment and to files.
type expander struct {
	*document
	lookup   func(string) (string, bool)
	readFile func(string) ([]byte, error)
	dir      string // what ${file:…} is relative to
	// missing says what a variable that is not set should hold. Nil: there is a file,
	// which may have a default.
	missing func(name string) string

	done map[*yaml.Node]bool
	// files are those that the current value was read from.
	files []string
}

// node expands all values below a node; at is the node's key, and secret tells
// that the key is one of a secret.
func (x *expander) node(at string, node *yaml.Node, secret bool) {
	node = deref(node)
	if x.done[node] {
		return
	}
	x.done[node] = true
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			name := node.Content[i].Value
			x.node(join(at, name), node.Content[i+1], secret || isSecret(name))
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			x.node(at+"["+strconv.Itoa(i)+"]", item, secret)
		}
	case yaml.ScalarNode:
		x.scalar(at, node, secret)
	}
}

var reference = regexp.MustCompile(`\$?\$\{[^}]*\}`)

func (x *expander) scalar(at string, node *yaml.Node, secret bool) {
	raw, style := node.Value, node.Style
	x.files = nil
	refs := reference.FindAllString(raw, -1)
	literal := !slices.ContainsFunc(refs, func(ref string) bool { return !strings.HasPrefix(ref, "$$") })
	if secret && literal && raw != "" && !isNull(node) {
		// The value itself is not repeated: it may be a real key.
		x.fault(node, at, "is written out: keep secrets out of the file, write ${%s} or ${file:/path/to/it}", variableFor(at))
		node.Value = ""
		return
	}
	if len(refs) == 0 {
		if strings.Contains(raw, "${") {
			x.fault(node, at, `has a "${" without its "}": close it, or write $${ for the characters themselves`)
		}
		return
	}
	if name := strings.TrimSuffix(strings.TrimPrefix(raw, "${"), "}"); len(refs) == 1 && refs[0] == raw {
		name, _, _ = strings.Cut(name, ":-")
		x.origin[node] = name
	}
	node.Value = reference.ReplaceAllStringFunc(raw, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		return x.resolve(at, node, ref[2:len(ref)-1], secret)
	})
	if len(x.files) > 0 {
		x.document.fromFiles(node, fileValue{raw, at, secret, style, x.files}, x)
	}
	if node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		node.Tag = "" // ${PORT} becomes the number, ${X:-} nothing at all
	}
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// resolve returns the value of ${inner}.
func (x *expander) resolve(at string, node *yaml.Node, inner string, secret bool) string {
	if path, ok := strings.CutPrefix(inner, "file:"); ok {
		if !filepath.IsAbs(path) {
			path = filepath.Join(x.dir, path)
		}
		data, err := x.read(path)
		if err != nil {
			x.fault(node, at, "cannot be read: %v", err)
			return ""
		}
		return content(data)
	}
	name, fallback, optional := strings.Cut(inner, ":-")
	if !variableName.MatchString(name) {
		x.fault(node, at, "has ${%s}, which names no variable: write ${NAME}, ${NAME:-default} or ${file:path}", inner)
		return ""
	}
	if secret && fallback != "" {
		x.fault(node, at, "has a default written out: keep secrets out of the file, write ${%s} or ${%s:-}", name, name)
		return ""
	}
	value, set := x.lookup(name)
	if path := fileOf(x.lookup, name); value == "" && path != "" {
		data, err := x.read(path)
		if err != nil {
			x.fault(node, at, "takes its value from the file that %s names, which cannot be read: %v", name+fileSuffix, err)
			return ""
		}
		return content(data)
	}
	switch {
	case value != "":
		return value
	case optional:
		return fallback
	case x.missing != nil: // without a file, an empty variable is as good as none
		x.unset(node, at, x.missing(name))
	case !set && secret:
		x.fault(node, at, "takes its value from %s, which is not set: set it, or write ${file:/path/to/it}", name)
	case !set:
		x.fault(node, at, "takes its value from %s, which is not set: set it, or write ${%s:-default}", name, name)
	}
	return ""
}

func (x *expander) read(path string) ([]byte, error) {
	x.files = append(x.files, path)
	return x.readFile(path)
}

// unset notes that a variable is required and not set.
func (x *expander) unset(node *yaml.Node, at, purpose string) {
	x.faults = append(x.faults, x.document.at(node, Fault{Key: at, Text: "is not set", Remedy: purpose, Unset: true}))
	x.broken[at] = true
}

// content is what a file says: without its last line break.
func content(data []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
}

// fileSuffix ends the name of a variable that names a file with another variable's
// value.
const fileSuffix = "_FILE"

// fileOf is the file that has the value of a variable with a secret's name, such as
// OPENAI_API_KEY: the one that OPENAI_API_KEY_FILE names. Empty: there is none.
func fileOf(lookup func(string) (string, bool), name string) string {
	if !isSecret(name) {
		return ""
	}
	path, _ := lookup(name + fileSuffix)
	return path
}

// isSecret tells from a key's name that its value must not stand in a file.
func isSecret(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	// A token is also what models count: first_token is no secret.
	return name == "token" || slices.ContainsFunc(
		[]string{"api_key", "apikey", "access_token", "auth_token", "api_token", "secret", "password", "authorization", "private_key"},
		func(word string) bool { return name == word || strings.HasSuffix(name, "_"+word) })
}

var notInNames = regexp.MustCompile(`[^A-Z0-9]+`)

// variableFor is a good name for the variable of a setting: the last two parts
// of its key, MAIN_API_KEY.
func variableFor(at string) string {
	parts := strings.Split(at, ".")
	parts = parts[max(0, len(parts)-2):]
	return strings.Trim(notInNames.ReplaceAllString(strings.ToUpper(strings.Join(parts, "_")), "_"), "_")
}
