package pulse

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync/atomic"

	"github.com/parley-run/parley/platforms"
)

// WorkerPrefix begins the name under which Parley claims tasks, whatever the claim
// calls its worker. Parleys know each other by it.
const WorkerPrefix = "parley-"

// Platform is Pulse as a platform. It is safe for concurrent use. Besides its
// connections it holds what is known of Pulse's clock, and the last poll's hints.
type Platform struct {
	name    string
	types   []string
	summary int
	client  *Client
	last    atomic.Pointer[PollAnswer]
	foreign foreign
}

var (
	_ platforms.Tasks    = (*Platform)(nil)
	_ platforms.Source   = (*Platform)(nil)
	_ platforms.Advised  = (*Platform)(nil)
	_ platforms.Receiver = (*Platform)(nil)
)

// New checks the configuration, reporting every fault at once, and makes no
// request. [Platform.Check] finds out whether Pulse can be reached.
func New(cfg Config) (*Platform, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("pulse: %w", err)
	}
	client, err := NewClient(cfg.client())
	if err != nil {
		return nil, err
	}
	types := slices.Clone(cfg.Types)
	if types == nil {
		types = DefaultTypes()
	}
	return &Platform{name: cmp.Or(cfg.Name, DefaultName), types: types, summary: cfg.resultSummary(), client: client}, nil
}

// Client is the client that the platform uses.
func (p *Platform) Client() *Client { return p.client }

// receiverPort is that of the callback receiver that comes with Pulse.
const receiverPort = "3001"

// Receiver is where the callback receiver that comes with Pulse listens, beside this
// Pulse, as "host:port".
func (p *Platform) Receiver() string {
	if p == nil { // its settings have faults
		return ""
	}
	base, err := url.Parse(p.client.api.Base)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(base.Hostname(), receiverPort)
}
