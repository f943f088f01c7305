package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"io"
	"strings"

	"github.com/parley-run/parley/internal/printable"
)

// A Page is a title and sections, in order.
type Page struct {
	Title string
	// Lead are paragraphs below the title. They are shown whole.
	Lead     []string
	Sections []Section
	// Foot is one line at the end.
	Foot string
}

// A Section is a heading with blocks. Its id is made of the heading.
type Section struct {
	Title string
	Text  []string
	// Blocks stand below each other. Charts that follow each other stand side by side where
	// there is space.
	Blocks []Block
}

// A Block is one of [Facts], [Table], [Charts], [Folds] and [Note].
type Block interface{ block() }

// Facts are large figures, side by side.
type Facts []Fact

// A Fact is a figure with its name.
type Fact struct {
	Name, Value string
	// Detail is a small line below.
	Detail string
	Tone   Tone
}

// A Table has a caption that says what it is to those who cannot see it.
type Table struct {
	Caption string
	Head    []Cell
	Rows    [][]Cell
}

// A Cell is one of a table.
type Cell struct {
	Text string
	// Link makes the text a link: the page's own "#id" or an http address.
	Link string
	// Number aligns it to the right.
	Number bool
	Tone   Tone
}

// Charts stand side by side.
type Charts []Chart

// Folds are texts that open on demand.
type Folds []Fold

// A Fold is one of them.
type Fold struct {
	// ID is the target of links, without "#".
	ID string
	// Title is shown while it is closed.
	Title  string
	Detail string
	Tone   Tone
	// Facts are shown first, then Messages.
	Facts    [][2]string
	Link     string // an http address, shown as "Open in Temporal"
	Messages []Message
}

// A Message is a contribution to a conversation.
type Message struct {
	// From is shown, and Side chooses the colour: "agent", "other" or "tool".
	From, Side string
	At         string
	Text       string
}

// A Note is a paragraph that needs attention.
type Note struct {
	Text string
	Tone Tone
}

// A Tone colours a text. The text says the same: colours add nothing.
type Tone string

// The tones.
const (
	Plain Tone = ""
	Good  Tone = "good"
	Bad   Tone = "bad"
	Soft  Tone = "soft"
)

func (Facts) block()  {}
func (Table) block()  {}
func (Charts) block() {}
func (Folds) block()  {}
func (Note) block()   {}

//go:embed style.css
var style string

//go:embed page.html
var source string

// Policy is the page's Content-Security-Policy: nothing but its own style.
var Policy = "default-src 'none'; style-src '" + digest(style) + "'; base-uri 'none'; form-action 'none'"

// digest is how a policy names a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// style is trusted: it is a file of this package.
var layout = template.Must(template.New("page").Funcs(template.FuncMap{
	"style": func() template.HTML { return template.HTML("<style>" + style + "</style>") }, // nolint:gosec // see above
	"policy": func() template.HTML {
		return template.HTML(`<meta http-equiv="Content-Security-Policy" content="` + Policy + `">`)
	}, // nolint:gosec // made above
	"kind": kind,
	"id":   ID,
	"text": printable.Visible,
	"line": printable.VisibleLine,
	"svg":  func(c Chart) (template.HTML, error) { return c.svg() },
}).Parse(source))

func kind(b Block) string {
	switch b.(type) {
	case Facts:
		return "facts"
	case Table:
		return "table"
	case Charts:
		return "charts"
	case Folds:
		return "folds"
	}
	return "note"
}

// ID makes an id for links of any text: of letters, digits and hyphens.
func ID(text string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, text)
	if id == text {
		return id
	}
	sum := sha256.Sum256([]byte(text)) // different texts, different ids
	return id[:min(len(id), 40)] + "-" + hex.EncodeToString(sum[:6])
}

// Write writes the page.
func (p Page) Write(w io.Writer) error { return layout.Execute(w, p) }
