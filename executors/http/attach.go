package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

// A place is where a run is to be found again.
type place struct {
	// Location is asked with GET.
	Location string `json:"location,omitempty"`
	// Token goes along when the request is posted again.
	Token json.RawMessage `json:"token,omitempty"`
}

func (p place) known() bool { return p.Location != "" || p.Token != nil }

// recall reads what an earlier attempt recorded. What cannot be read is as good
// as nothing.
func (p *place) recall(attach json.RawMessage) {
	if len(attach) > 0 && json.Unmarshal(attach, p) != nil {
		*p = place{}
	}
}

var errNowhere = fmt.Errorf("%w: status 202 comes without Location and without attach", wire.ErrOffContract)

// accepted takes a 202: the run is under way, and this is when to ask again.
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
	if wait := modelcall.RetryAfter(res.Header, time.Now()); wait > 0 {
		return wait, nil
	}
	return c.cfg.PollInterval, nil
}

// attach takes a token out of a stream.
func (c *call) attach(token json.RawMessage) {
	_ = c.record(place{Location: c.place.Location, Token: token}) // its length has been checked
}

// record has the place written down, once for each.
func (c *call) record(found place) error {
	token, err := json.Marshal(found)
	if err != nil {
		return err
	}
	if len(token) > wire.MaxToken+64 {
		return fmt.Errorf("%w: Location or attach is longer than %d bytes", wire.ErrOffContract, wire.MaxToken)
	}
	before, _ := json.Marshal(c.place) // it was marshalled before
	c.place = found
	if c.req.OnAttach != nil && string(before) != string(token) {
		c.req.OnAttach(token)
	}
	return nil
}
