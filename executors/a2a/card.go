package a2a

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/printable"
)

const (
	cardPath = "/.well-known/agent-card.json"
	// oldCardPath is where agents of version 0.2 have their card.
	oldCardPath = "/.well-known/agent.json"
	// maxCard bounds a card, in bytes.
	maxCard = 1 << 20
)

// A card holds the fields of an agent's card that are used, in either version of the
// protocol. The SDK's type rejects a card with an unknown security scheme.
type card struct {
	Name               string       `json:"name"`
	Capabilities       capabilities `json:"capabilities"`
	DefaultInputModes  []string     `json:"defaultInputModes"`
	DefaultOutputModes []string     `json:"defaultOutputModes"`
	Skills             []skill      `json:"skills"`

	// Fields of version 0.3.
	URL                  string                       `json:"url"`
	ProtocolVersion      string                       `json:"protocolVersion"`
	PreferredTransport   string                       `json:"preferredTransport"`
	AdditionalInterfaces []interface03                `json:"additionalInterfaces"`
	Security             []map[string]json.RawMessage `json:"security"`

	// Fields of version 1.0.
	SupportedInterfaces  []interface10   `json:"supportedInterfaces"`
	SecurityRequirements []requirement10 `json:"securityRequirements"`
}

type interface03 struct {
	URL       string `json:"url"`
	Transport string `json:"transport"`
}

type interface10 struct {
	URL             string `json:"url"`
	Binding         string `json:"protocolBinding"`
	ProtocolVersion string `json:"protocolVersion"`
	Tenant          string `json:"tenant"`
}

type requirement10 struct {
	Schemes map[string]json.RawMessage `json:"schemes"`
}

// requirements returns the alternatives of authentication, each with its schemes.
func (c *card) requirements() []map[string]json.RawMessage {
	if len(c.SecurityRequirements) == 0 {
		return c.Security
	}
	var out []map[string]json.RawMessage
	for _, r := range c.SecurityRequirements {
		out = append(out, r.Schemes)
	}
	return out
}

type capabilities struct {
	Streaming bool `json:"streaming"`
}

type skill struct {
	InputModes  []string `json:"inputModes"`
	OutputModes []string `json:"outputModes"`
}

// An agent is what the executor needs from a valid card, and has learnt since.
type agent struct {
	name      string
	routes    []route // the first one is used
	streaming bool
	data      bool // accepts structured data
	card      *card
}

// turned returns the agent with its routes in the other order, or nil if it has one.
func (a *agent) turned() *agent {
	if len(a.routes) < 2 {
		return nil
	}
	out := *a
	out.routes = []route{a.routes[1], a.routes[0]}
	return &out
}

// unstreamed returns the agent as one that does not stream.
func (a *agent) unstreamed() *agent {
	out := *a
	out.streaming = false
	return &out
}

// cards caches the agent's card.
type cards struct {
	mu   sync.Mutex
	kept *agent
}

func (c *cards) get() *agent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept
}

func (c *cards) set(a *agent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = a
}

// cardAddresses returns the address of the card, and the one that it may have
// instead, or nil. The address has been validated.
func cardAddresses(s string) (at, old *url.URL) {
	u, _ := url.Parse(s)
	if strings.HasSuffix(u.Path, ".json") {
		return u, nil
	}
	at, old = u.JoinPath(cardPath), u.JoinPath(oldCardPath)
	at.RawQuery, old.RawQuery = u.RawQuery, u.RawQuery
	return at, old
}

// readAgent gets the agent from the cached card, or reads the card.
func (x *exchange) readAgent(ctx context.Context) error {
	if x.agent = x.cards.get(); x.agent != nil {
		return nil
	}
	a, err := x.findAgent(ctx)
	if err != nil {
		return err
	}
	x.agent = a
	if a.card != nil {
		x.cards.set(a)
	}
	return nil
}

// findAgent reads the card. An agent without one is what the configuration states, if
// that names address and version.
func (e *Executor) findAgent(ctx context.Context) (*agent, error) {
	a, err := e.fetchCard(ctx, e.cardURL)
	var missing *noCardError
	if !errors.As(err, &missing) {
		return a, err
	}
	if e.oldCardURL != nil {
		if a, again := e.fetchCard(ctx, e.oldCardURL); again == nil {
			return a, nil
		}
	}
	if e.endpoint != nil && e.dialect != nil {
		return &agent{name: e.endpoint.Host, routes: []route{{jsonRPC{}, e.dialect, e.endpoint}}}, nil
	}
	return nil, err
}

// A cardError is a missing or unusable card.
type cardError struct {
	err    error
	remedy string
}

func (e *cardError) Error() string { return e.err.Error() }
func (e *cardError) Unwrap() error { return e.err }

// A noCardError is another response in place of a card, which may be temporary: it
// may come from a proxy.
type noCardError struct{ error }

func (e *noCardError) Unwrap() error { return e.error }

var errNoCard = errors.New("the document is not an agent card")

const (
	remedyNoCard    = "check url: the agent's card must be at url" + cardPath + ", or url must be the card's own address, ending in .json; for an agent without a card, set endpoint and protocol"
	remedyTransport = "have the agent offer one of these, or set endpoint if it does"
)

// fetchCard reads the card from the agent's server.
func (e *Executor) fetchCard(ctx context.Context, at *url.URL) (*agent, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	e.sign(req)
	res, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	if !modelcall.Succeeded(res) {
		err := refusal(res)
		switch res.StatusCode {
		case http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed:
			return nil, &noCardError{err}
		}
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := modelcall.ReadAll(res.Body, maxCard)
	var c card
	switch {
	case errors.Is(err, modelcall.ErrTooLarge), errors.Is(err, modelcall.ErrNoAnswer):
		return nil, &noCardError{errNoCard}
	case err != nil:
		return nil, err
	case json.Unmarshal(data, &c) != nil, c.URL == "" && len(c.AdditionalInterfaces)+len(c.SupportedInterfaces) == 0:
		return nil, &noCardError{errNoCard}
	}
	return e.newAgent(&c)
}

func (e *Executor) newAgent(c *card) (*agent, error) {
	routes, err := e.routes(c)
	if err != nil {
		return nil, err
	}
	return &agent{
		name: printable.Name(c.Name, printable.MaxName), routes: routes, card: c,
		streaming: c.Capabilities.Streaming && e.cfg.Streaming != StreamingOff,
		data:      slices.ContainsFunc(c.modes(c.DefaultInputModes, func(s skill) []string { return s.InputModes }), isData),
	}, nil
}

// maxHost bounds how much of a card's address an error repeats.
const maxHost = 200

// allowed reports whether a card may name this address: on its own server or a
// configured host, and not http if the card came over https.
func (e *Executor) allowed(at *url.URL) bool {
	if modelcall.SameServer(e.cardURL, at) {
		return true
	}
	if strings.EqualFold(e.cardURL.Scheme, "https") && !strings.EqualFold(at.Scheme, "https") {
		return false
	}
	return slices.ContainsFunc(e.cfg.CardHosts, func(host string) bool {
		return strings.EqualFold(host, at.Hostname()) || strings.EqualFold(host, net.JoinHostPort(at.Hostname(), modelcall.Port(at)))
	})
}

// modes returns the media types of the card and its skills.
func (c *card) modes(standard []string, of func(skill) []string) []string {
	out := slices.Clone(standard)
	for _, s := range c.Skills {
		out = append(out, of(s)...)
	}
	return out
}

func isData(mode string) bool {
	return mode == "data" || mode == "*/*" || strings.HasPrefix(mode, "application/json")
}

func isText(mode string) bool {
	return mode == "*/*" || strings.HasPrefix(mode, "text")
}
