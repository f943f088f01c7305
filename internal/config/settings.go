package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/internal/settings"
)

// Settings are a backend's own settings, not yet decoded. They may hold secrets
// and print as nothing but their place.
type Settings struct {
	where  place
	common []string // the keys that are not the backend's
}

// Decode fills the struct that into points to, by its yaml tags, reporting every
// fault at once. Fields that the file does not mention keep their values.
func (s Settings) Decode(into any, backend string) error {
	if s.where.doc == nil {
		return nil
	}
	d := s.where.doc.again()
	d.decode(s.where.at, s.where.node, into, backend, s.common...)
	return Join(d.faults)
}

// Section is the mapping under one of the settings, if the file has it.
func (s Settings) Section(setting string) (Settings, bool) {
	if s.where.doc == nil {
		return Settings{}, false
	}
	for _, p := range s.where.doc.again().pairs(s.where.at, s.where.node) {
		if p.name == setting && !isNull(p.value) {
			return Settings{where: place{s.where.doc, join(s.where.at, setting), p.key, p.value}}, true
		}
	}
	return Settings{}, false
}

// Fault is a fault of one setting; the empty setting means all of them. It is nil if
// one of that setting has been reported already: what is left of its value says nothing.
func (s Settings) Fault(setting, format string, args ...any) error {
	return s.where.fault(setting, fmt.Sprintf(format, args...))
}

// Build decodes the settings into the struct that into points to and calls build,
// which makes the backend of it. What either finds wrong becomes faults with places.
func (s Settings) Build(into any, backend string, build func() error) error {
	return Join(s.Decode(into, backend), s.Place(build()))
}

// Place makes faults of what a backend says about its settings: each
// [conversation.FieldError] gets the line of its field, and any other error that of the
// settings as a whole. Faults among them stay as they are.
func (s Settings) Place(err error) error {
	var faults []error
	for _, f := range joined.As(err, func(err error) *Fault {
		f, _ := s.where.field(settings.Fields(err)[0]).(*Fault)
		return f
	}) {
		if f != nil { // nil: the field's fault is known already
			faults = append(faults, f)
		}
	}
	return Join(faults...)
}

// Whole is err as a fault of the settings as a whole: what a platform answered, for
// instance.
func (s Settings) Whole(err error) error { return s.where.sentence(err) }

// Format writes the place of the settings under every verb.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "settings of "+s.where.at) }

// A place is where a mapping of settings stands.
type place struct {
	doc       *document
	at        string
	key, node *yaml.Node
}

// fault is a fault of the setting, whose text follows the setting's name.
func (p place) fault(setting, text string) error {
	return p.of(setting, Fault{Text: text})
}

// field is a fault of what a backend's FieldError names.
func (p place) field(e *conversation.FieldError) error {
	return p.of(e.Field, Fault{Text: e.Text, Remedy: e.Remedy, Sentence: e.Field == ""})
}

// sentence is an error as a fault of the settings as a whole.
func (p place) sentence(err error) error {
	return p.of("", Fault{Text: err.Error(), Sentence: true})
}

// of gives a fault its place.
func (p place) of(setting string, f Fault) error {
	f.Key = p.at
	if setting != "" {
		f.Key = join(p.at, setting)
	}
	if p.doc == nil {
		return &f
	}
	if p.doc.isBroken(f.Key) {
		return nil
	}
	if p.doc.file == "" && setting == "" {
		// No file has an entry there: its name would only puzzle.
		f.Key = ""
		return &f
	}
	return p.doc.at(p.find(setting), f)
}

// find is the node that a path of settings leads to: the setting's, or that of what it
// would stand in.
func (p place) find(path string) *yaml.Node {
	if path == "" {
		return p.key
	}
	if found := p.doc.again().follow(p.node, path); found != nil {
		return found
	}
	return p.key
}

// follow is the deepest node on the path that is there: the value where the path ends
// and it is a scalar, and otherwise the key, so that a section's fault stands where the
// section begins. Nil: there is not even the first. Names may have dots ("gpt-4.1"), so
// the entry that leads furthest counts.
func (d *document) follow(node *yaml.Node, path string) *yaml.Node {
	node = deref(node)
	if node == nil {
		return nil
	}
	if node.Kind == yaml.SequenceNode {
		return d.followItem(node, path)
	}
	var best pair
	rest := ""
	for _, p := range d.pairs("", node) {
		if after, ok := below(path, p.name); ok && (best.key == nil || len(p.name) > len(best.name)) {
			best, rest = p, after
		}
	}
	switch {
	case best.key == nil:
		return nil
	case rest == "":
		if best.value.Kind == yaml.ScalarNode {
			return best.value
		}
		return best.key
	}
	if found := d.follow(best.value, rest); found != nil {
		return found
	}
	return best.key
}

// followItem is [document.follow] for "[2]" or "[2].url" in a list.
func (d *document) followItem(list *yaml.Node, path string) *yaml.Node {
	number, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
	i, err := strconv.Atoi(number)
	if !ok || err != nil || i < 0 || i >= len(list.Content) {
		return nil
	}
	item := list.Content[i]
	if rest = strings.TrimPrefix(rest, "."); rest != "" {
		if found := d.follow(item, rest); found != nil {
			return found
		}
	}
	return item
}

// below is what a path has after a name that it begins with: "url" of "server.url",
// "[2].url" of "servers[2].url".
func below(path, name string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, name)
	switch {
	case !ok:
		return "", false
	case rest == "", strings.HasPrefix(rest, "["):
		return rest, true
	}
	return strings.CutPrefix(rest, ".")
}
