package runagent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/internal/modelcall"
)

const (
	// architectureTimeout bounds the request for entrypoints, because a run waits
	// for it.
	architectureTimeout = 5 * time.Second
	// A list of entrypoints is cached for entrypointsFor. A list without the
	// requested tag is read again after askAgain: the agent may have been deployed
	// again. A failed request is repeated after missingFor.
	entrypointsFor  = 5 * time.Minute
	missingFor      = time.Minute
	askAgain        = 2 * time.Second
	maxArchitecture = 1 << 20
	maxRemembered   = 1000
	// A list with more tags than maxTags is not kept: it counts as unavailable.
	maxTags = 500
)

// entrypoints caches the tags of agents, by the address of their list.
type entrypoints struct {
	mu sync.Mutex
	of map[string]tags
}

type tags struct {
	names []string // nil: unknown
	at    time.Time
}

func newEntrypoints() *entrypoints { return &entrypoints{of: map[string]tags{}} }

// recall returns the cached list, unless it is too old for that tag.
func (e *entrypoints) recall(at, tag string) (names []string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, ok := e.of[at]
	age := time.Since(t.at)
	switch {
	case !ok || age > entrypointsFor:
		return nil, false
	case t.names == nil:
		return nil, age <= missingFor
	case !slices.Contains(t.names, tag):
		return t.names, age <= askAgain
	}
	return t.names, true
}

func (e *entrypoints) remember(at string, names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.of) >= maxRemembered {
		clear(e.of)
	}
	e.of[at] = tags{names, time.Now()}
}

// known rejects an entrypoint that the agent does not have. If its list is
// unavailable, the run itself reports it.
func (c *call) known(ctx context.Context) error {
	if !c.cfg.validates() {
		return nil
	}
	at := c.base.route(c.agent, "architecture")
	names, ok := c.entrypoints.recall(at, c.entrypoint)
	if !ok {
		names = c.architecture(ctx, at)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.entrypoints.remember(at, names)
	}
	if names == nil || slices.Contains(names, c.entrypoint) {
		return nil
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return &conversation.Error{
		Kind: conversation.Invalid, Op: c.op(),
		Err:    errors.New(c.clean("the agent has no entrypoint of that name")),
		Remedy: c.clean("use one of " + strings.Join(quoted, ", ")),
	}
}

// architecture requests the tags of the agent's entrypoints. It returns nil if they
// are unavailable.
func (c *call) architecture(ctx context.Context, at string) []string {
	ctx, cancel := context.WithTimeout(ctx, architectureTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil
	}
	c.sign(req)
	res, err := c.client.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxArchitecture))
	if err != nil || !modelcall.Succeeded(res) {
		return nil
	}
	type list struct {
		Entrypoints []struct {
			Tag string `json:"tag"`
		} `json:"entrypoints"`
	}
	var body struct {
		list
		Data list `json:"data"`
	}
	if json.Unmarshal(data, &body) != nil {
		return nil
	}
	var names []string
	for _, e := range append(body.Data.Entrypoints, body.Entrypoints...) {
		if e.Tag != "" && len(e.Tag) <= maxID { // a longer one is no tag that can be asked for
			names = append(names, e.Tag)
		}
	}
	if len(names) > maxTags {
		return nil
	}
	slices.Sort(names)
	return names
}
