package ui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

var templates = template.Must(template.New("").ParseFS(templateFiles, "templates/*.html"))

// A view is one page: a frame, and the regions in it that change while it is open.
type view struct {
	// Name is the template of the frame.
	Name  string
	Title string
	// Section is the entry of the navigation that is current.
	Section string
	Data    any
	regions map[string][]part
	// refresh is how often the page is rendered anew beside the changes of the source.
	// Zero: never.
	refresh time.Duration
	// Status is the HTTP status. Zero: 200.
	Status int
	// Policy is the Content-Security-Policy of a page that is a file. Empty: the server has it.
	Policy string

	frame
}

// A frame is what all pages of one site have in common.
type frame struct {
	// Root leads to the first page: "/" on a server, "" or "../" in a bundle.
	Root string
	// Live means that the page follows changes, and CSRF is its token. Acts means that it has
	// buttons.
	Live, Acts bool
	CSRF       string
	// Version is that of the regions, and Self the address of the page, for its changes.
	Version, Self string
	Where         string
	links
}

// A part is one element of a region. Its element has the key.
type part struct {
	key  string
	html template.HTML
}

func newView(f frame, name, section, title string) *view {
	return &view{Name: name, Section: section, Title: title, regions: make(map[string][]part), frame: f}
}

// add renders a part with a template into a region.
func (v *view) add(region, key, name string, data any) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, item{Key: key, V: data, Frame: v.frame}); err != nil {
		return fmt.Errorf("ui: render %s: %w", name, err)
	}
	v.regions[region] = append(v.regions[region], part{key: key, html: template.HTML(bytes.TrimSpace(b.Bytes()))}) //nolint:gosec // made by html/template
	return nil
}

// An item is what the template of a part gets.
type item struct {
	Key   string
	V     any
	Frame frame
}

// Region is the content of a region, for the frame.
func (v *view) Region(name string) template.HTML {
	var b bytes.Buffer
	for _, p := range v.regions[name] {
		b.WriteString(string(p.html))
		b.WriteByte('\n')
	}
	return template.HTML(b.String()) //nolint:gosec // made by html/template
}

// render renders the whole page.
func (v *view) render() ([]byte, error) {
	v.Version = v.state().version()
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "page", v); err != nil {
		return nil, fmt.Errorf("ui: render %s: %w", v.Name, err)
	}
	return b.Bytes(), nil
}

// Content is the frame's own part of the page.
func (v *view) Content() (template.HTML, error) {
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, v.Name, v)
	return template.HTML(b.String()), err //nolint:gosec // made by html/template
}
