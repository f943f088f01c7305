package a2a

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	sdk "github.com/a2aproject/a2a-go/a2a"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/settings"
)

const (
	cardPath = "/.well-known/agent-card.json"
	// maxCard bounds a card, in bytes.
	maxCard = 1 << 20
)

// A card holds the fields of an agent's card that are used. The SDK's type rejects
// a card with an unknown security scheme.
type card struct {
	Name                 string                     `json:"name"`
	URL                  string                     `json:"url"`
	PreferredTransport   sdk.TransportProtocol      `json:"preferredTransport"`
	AdditionalInterfaces []sdk.AgentInterface       `json:"additionalInterfaces"`
	Capabilities         capabilities               `json:"capabilities"`
	DefaultInputModes    []string                   `json:"defaultInputModes"`
	DefaultOutputModes   []string                   `json:"defaultOutputModes"`
	Skills               []skill                    `json:"skills"`
	Security             []sdk.SecurityRequirements `json:"security"`
	// SupportedInterfaces are the transports in later versions of the protocol.
	SupportedInterfaces []struct {
		URL             string                `json:"url"`
		Binding         sdk.TransportProtocol `json:"protocolBinding"`
		ProtocolVersion string                `json:"protocolVersion"`
	} `json:"supportedInterfaces"`
}

type capabilities struct {
	Streaming bool `json:"streaming"`
}

type skill struct {
	InputModes  []string `json:"inputModes"`
	OutputModes []string `json:"outputModes"`
}

// An agent is what the executor needs from a valid card.
type agent struct {
	name      string
	endpoint  *url.URL
	streaming bool
	data      bool // accepts structured data
	card      *card
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

// cardAddress returns the address of the card. It has been validated.
func cardAddress(s string) *url.URL {
	u, _ := url.Parse(s)
	if strings.HasSuffix(u.Path, ".json") {
		return u
	}
	at := u.JoinPath(cardPath)
	at.RawQuery = u.RawQuery
	return at
}

// readAgent gets the agent from the cached card, or reads the card.
func (x *exchange) readAgent(ctx context.Context) error {
	if x.agent = x.cards.get(); x.agent != nil {
		return nil
	}
	a, err := x.fetchCard(ctx)
	if err != nil {
		return err
	}
	x.agent = a
	x.cards.set(a)
	return nil
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
	remedyNoCard    = "check url: the agent's card must be at url" + cardPath + ", or url must be the card's own address, ending in .json"
	remedyTransport = "have the agent offer JSON-RPC of version 0.3, or set endpoint if it does"
)

// fetchCard reads the card from the agent's server.
func (e *Executor) fetchCard(ctx context.Context) (*agent, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.cardURL.String(), nil)
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
	a := &agent{
		name: printable.Name(c.Name, printable.MaxName), endpoint: e.endpoint, card: c,
		streaming: c.Capabilities.Streaming && e.cfg.Streaming != StreamingOff,
		data:      slices.ContainsFunc(c.modes(c.DefaultInputModes, func(s skill) []string { return s.InputModes }), isData),
	}
	if a.endpoint != nil {
		return a, nil
	}
	at, err := c.jsonRPC()
	if err != nil {
		return nil, &cardError{err, remedyTransport}
	}
	ref, err := url.Parse(at)
	if err != nil {
		return nil, &cardError{errors.New("the address on the agent's card is none"), "correct the card, or set endpoint"}
	}
	a.endpoint = e.cardURL.ResolveReference(ref)
	switch {
	case !settings.IsServer(a.endpoint):
		return nil, &cardError{errors.New("the address on the agent's card is none of a web server"), "correct the card, or set endpoint"}
	case !e.allowed(a.endpoint):
		where := printable.Name(a.endpoint.Scheme+"://"+a.endpoint.Host, maxHost)
		return nil, &cardError{
			fmt.Errorf("the agent's card leads to another server, %s", where),
			"if requests may go there, add its host to card_hosts, or set endpoint",
		}
	}
	return a, nil
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

// jsonRPC returns the address of the first JSON-RPC interface.
func (c *card) jsonRPC() (string, error) {
	if c.URL != "" && (c.PreferredTransport == "" || c.PreferredTransport == sdk.TransportProtocolJSONRPC) {
		return c.URL, nil
	}
	offered := []string{}
	if c.URL != "" {
		offered = append(offered, string(c.PreferredTransport))
	}
	for _, i := range c.AdditionalInterfaces {
		if i.Transport == sdk.TransportProtocolJSONRPC {
			return i.URL, nil
		}
		offered = append(offered, string(i.Transport))
	}
	for _, i := range c.SupportedInterfaces {
		if i.Binding == sdk.TransportProtocolJSONRPC && (i.ProtocolVersion == "" || strings.HasPrefix(i.ProtocolVersion, "0.")) {
			return i.URL, nil
		}
		offered = append(offered, strings.TrimSpace(string(i.Binding)+" "+i.ProtocolVersion))
	}
	return "", fmt.Errorf("the agent offers no transport that is supported, but %s", strings.Join(offered, ", "))
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
