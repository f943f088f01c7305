package a2a

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/settings"
)

// A face is an address on a card, with what it speaks there.
type face struct {
	url, binding, version, tenant string
	// shape is the version of the card's form, for an interface without a version.
	shape dialect
}

// faces returns the interfaces of a card of either version, in the card's order. A
// card for both versions has them twice.
func (c *card) faces() []face {
	var out []face
	for _, i := range c.SupportedInterfaces {
		out = append(out, face{i.URL, i.Binding, i.ProtocolVersion, i.Tenant, version10{}})
	}
	if c.URL != "" {
		out = append(out, face{c.URL, c.PreferredTransport, c.ProtocolVersion, "", version03{}})
	}
	for _, i := range c.AdditionalInterfaces {
		out = append(out, face{i.URL, i.Transport, c.ProtocolVersion, "", version03{}})
	}
	return out
}

// bound returns the interface's binding, however that is written, or nil if it is not
// supported.
func (f face) bound() binding {
	letters := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ToUpper(f.binding))
	switch d := f.dialect(); {
	case letters == "JSONRPC", letters == "" && f.shape.version() == Protocol03:
		return jsonRPC{}
	case letters == "HTTPJSON" && d != nil && d.version() == Protocol10:
		return httpJSON{}
	}
	return nil
}

func (f face) dialect() dialect { return dialectOf(f.version, f.shape) }

func (f face) String() string {
	return printable.Name(strings.TrimSpace(f.binding+" "+f.version), maxHost)
}

// A route is an address, and how the protocol is spoken there.
type route struct {
	binding  binding
	dialect  dialect
	endpoint *url.URL
}

// routes returns the route that the card and the configuration name, and, if the
// version is found out, a second one in the other version.
func (e *Executor) routes(c *card) ([]route, error) {
	offered := c.bound(jsonRPC{})
	first, err := e.face(offered)
	if err != nil {
		if f := c.bound(httpJSON{}); len(f) > 0 && (e.dialect == nil || e.dialect.version() == Protocol10) {
			return e.httpJSON(f[0])
		}
		if e.endpoint == nil {
			return nil, e.noInterface(c, err)
		}
		first = face{shape: c.shape()} // the card's interfaces are not used
	}
	d := e.dialect
	if d == nil {
		d = first.dialect()
	}
	at, err := e.address(first)
	if err != nil {
		return nil, err
	}
	out := []route{{jsonRPC{}, in(d, first), at}}
	if e.dialect != nil {
		return out, nil
	}
	other := otherDialect(d)
	second, err := speaking(offered, other)
	if err != nil {
		second = face{url: first.url}
	}
	if at, err := e.address(second); err == nil {
		out = append(out, route{jsonRPC{}, in(other, second), at})
	}
	return out, nil
}

// bound returns the interfaces of a binding.
func (c *card) bound(b binding) []face {
	var out []face
	for _, f := range c.faces() {
		if f.bound() == b {
			out = append(out, f)
		}
	}
	return out
}

// httpJSON returns the route to an interface of a card without JSON-RPC.
func (e *Executor) httpJSON(f face) ([]route, error) {
	at, err := e.address(f)
	if err != nil {
		return nil, err
	}
	return []route{{httpJSON{}, in(version10{}, f), at}}, nil
}

var errNoInterface = errors.New("no JSON-RPC")

// face returns the first interface in the configured version, or in one that is
// supported. An explicit setting applies to an interface of any version.
func (e *Executor) face(offered []face) (face, error) {
	if e.dialect != nil {
		if f, err := speaking(offered, e.dialect); err == nil || len(offered) == 0 {
			return f, err
		}
		return offered[0], nil
	}
	for _, f := range offered {
		if f.dialect() != nil {
			return f, nil
		}
	}
	return face{}, errNoInterface
}

func speaking(offered []face, d dialect) (face, error) {
	for _, f := range offered {
		if has := f.dialect(); has != nil && has.version() == d.version() {
			return f, nil
		}
	}
	return face{}, errNoInterface
}

// noInterface is the error for a card without an interface that is supported.
func (e *Executor) noInterface(c *card, err error) error {
	var names []string
	for _, f := range c.faces() {
		if name := f.String(); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return &cardError{
		fmt.Errorf("the agent's card offers only %s: %w of version 0.3 or 1.0, or HTTP+JSON of 1.0", strings.Join(names[:min(len(names), maxOffered)], ", "), err), remedyTransport,
	}
}

// maxOffered bounds how many interfaces an error names.
const maxOffered = 8

// shape returns the version of the card's form.
func (c *card) shape() dialect {
	if len(c.SupportedInterfaces) > 0 {
		return version10{}
	}
	return version03{}
}

// address returns where to post for an interface.
func (e *Executor) address(f face) (*url.URL, error) {
	if e.endpoint != nil {
		return e.endpoint, nil
	}
	ref, err := url.Parse(f.url)
	if err != nil {
		return nil, &cardError{errors.New("the address on the agent's card is none"), "correct the card, or set endpoint"}
	}
	at := e.cardURL.ResolveReference(ref)
	switch {
	case !settings.IsServer(at):
		return nil, &cardError{errors.New("the address on the agent's card is none of a web server"), "correct the card, or set endpoint"}
	case !e.allowed(at):
		where := printable.Name(at.Scheme+"://"+at.Host, maxHost)
		return nil, &cardError{
			fmt.Errorf("the agent's card leads to another server, %s", where),
			"if requests may go there, add its host to card_hosts, or set endpoint",
		}
	}
	return at, nil
}
