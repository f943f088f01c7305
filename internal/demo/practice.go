package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/sim"
)

const (
	defaultSimulatorPort = 3001 // OneRun's
	practiceSeed         = 1
	maxPortSteps         = 1000
)

// practice is the simulator with its server.
type practice struct {
	URL    string
	key    string // made for this run; the worker receives it, and the operator for the page of the report
	seeded sim.Seeded
	sim    *sim.Simulator
	server *http.Server
	served chan error
}

func startPractice(ctx context.Context, port, conversations int) (*practice, error) {
	key := rand.Text()
	s, err := sim.New(sim.Config{Seed: practiceSeed, APIKey: key})
	if err != nil {
		return nil, fmt.Errorf("demo: start the simulator: %w", err)
	}
	seeded, err := s.Seed(ctx, sim.Setup{Conversations: conversations})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("demo: start the simulator: %w", err), s.Close())
	}
	l, err := listen(port)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("demo: start the simulator: %w", err), s.Close())
	}
	p := &practice{
		URL:    "http://" + l.Addr().String(),
		key:    key,
		seeded: seeded,
		sim:    s,
		server: s.Server(),
		served: make(chan error, 1),
	}
	go func() { p.served <- p.server.Serve(l) }()
	return p, nil
}

// listen opens the port, or the next free one.
func listen(port int) (net.Listener, error) {
	if port == localstack.AnyPort {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	for p := port; p <= 65535 && p < port+maxPortSteps; p++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no free port from %d on", port)
}

// personas counts the personas.
func (p *practice) personas() int {
	keys := make(map[string]bool)
	for _, c := range p.sim.Report().Conversations {
		keys[c.Persona] = true
	}
	return len(keys)
}

func (p *practice) stop() error {
	err := p.server.Close()
	if served := <-p.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, p.sim.Close())
}
