package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/httpclient"
)

// A place identifies a run for a later attempt.
type place struct {
	// Location is polled with GET.
	Location string `json:"location,omitempty"`
	// Token is part of the request when it is posted again.
	Token json.RawMessage `json:"token,omitempty"`
}

func (p place) known() bool { return p.Location != "" || p.Token != nil }

// recall reads what an earlier attempt recorded, and ignores what it cannot read.
func (p *place) recall(attach json.RawMessage) {
	if len(attach) > 0 && json.Unmarshal(attach, p) != nil {
		*p = place{}
	}
}

// minPoll is the shortest wait between two polls that an agent may ask for.
const minPoll = 100 * time.Millisecond

var errNowhere = fmt.Errorf("%w: status 202 has neither Location nor attach", wire.ErrOffContract)

// accepted handles a 202: the run has started. It returns the delay before the next
// poll.
func (c *call) accepted(res *http.Response) (time.Duration, error) {
	defer func() { _ = res.Body.Close() }()
	found := place{Location: res.Header.Get("Location")}
	data, err := modelcall.ReadAll(res.Body, wire.MaxToken+1<<10)
	if err != nil && !errors.Is(err, modelcall.ErrNoAnswer) {
		return 0, err
	}
	if frame, err := wire.ParseFrame(data); err == nil { // a Location needs no body
		found.Token = frame.Attach
		if frame.Error != nil {
			return 0, frame.Error
		}
	}
	if found.known() {
		if err := c.record(found); err != nil {
			return 0, err
		}
	}
	if !c.place.known() {
		return 0, errNowhere
	}
	if wait := httpclient.RetryAfterOf(res.StatusCode, res.Header); wait > 0 {
		return max(wait, min(c.cfg.PollInterval, minPoll)), nil
	}
	return c.cfg.PollInterval, nil
}

// attach records a token from a stream.
func (c *call) attach(token json.RawMessage) {
	_ = c.record(place{Location: c.place.Location, Token: token}) // its length was checked
}

// record passes the place to OnAttach if it is new.
func (c *call) record(found place) error {
	token, err := json.Marshal(found)
	if err != nil {
		return err
	}
	if len(token) > wire.MaxToken+64 {
		return fmt.Errorf("%w: Location or attach is longer than %d bytes", wire.ErrOffContract, wire.MaxToken)
	}
	before, _ := json.Marshal(c.place) // cannot fail: it was encoded before
	c.place = found
	if c.req.OnAttach != nil && string(before) != string(token) {
		c.req.OnAttach(token)
	}
	return nil
}
