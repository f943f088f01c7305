package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/foreign"
)

// A call is one execution.
type call struct {
	*Executor
	req     executors.Request
	watch   *modelcall.Watch
	answer  *wire.Answer
	place   place  // where to poll or attach
	reached bool   // the agent has accepted a request
	body    []byte // of the request
}

// run starts a run or attaches to one, polls while the agent answers 202, and reads
// the answer.
func (c *call) run(ctx context.Context) error {
	res, err := c.begin(ctx)
	for err == nil && res.StatusCode == http.StatusAccepted {
		var wait time.Duration
		if wait, err = c.accepted(res); err != nil {
			break
		}
		if err = c.watch.Sleep(ctx, wait); err != nil {
			break
		}
		res, err = c.poll(ctx)
	}
	if err != nil {
		return err
	}
	return c.read(res)
}

// begin attaches to the run of an earlier attempt if it still exists, and else
// starts one.
func (c *call) begin(ctx context.Context) (*http.Response, error) {
	c.place.recall(c.req.Attach)
	if !c.place.known() {
		return c.post(ctx)
	}
	res, err := c.poll(ctx)
	// A web page does not come from the agent: its run may continue.
	if err == nil && (res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone) && !foreign.IsPage(res.Header, nil) {
		_ = res.Body.Close()
		c.place = place{}
		return c.post(ctx)
	}
	return res, err
}

// post starts a run, or attaches to the one of the token.
func (c *call) post(ctx context.Context) (*http.Response, error) {
	var err error
	if c.mapping.mapsRequest() {
		c.body, err = c.mapping.request(c.req, c.cfg.Send, c.place.Token)
	} else {
		out := wire.NewRequest(c.req, c.cfg.Send)
		out.Attach = c.place.Token
		c.body, err = json.Marshal(out)
	}
	if err != nil {
		return nil, &requestError{err}
	}
	return c.send(ctx, http.MethodPost, c.url, c.body)
}

// poll asks for the answer of a run.
func (c *call) poll(ctx context.Context) (*http.Response, error) {
	if c.place.Location == "" {
		return c.post(ctx)
	}
	at, err := url.Parse(c.place.Location)
	if err != nil || !sameServer(c.url, c.url.ResolveReference(at)) {
		return nil, errElsewhere
	}
	return c.send(ctx, http.MethodGet, c.url.ResolveReference(at), nil)
}

func (c *call) send(ctx context.Context, method string, u *url.URL, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	// A preference: an agent may answer in either form.
	req.Header.Set("Accept", "application/json, text/event-stream;q=0.5")
	if c.cfg.Stream {
		req.Header.Set("Accept", "text/event-stream, application/json;q=0.5")
	}
	if key := headerValue(c.req.IdempotencyKey); key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	c.sign(req, body)
	res, err := c.client.Do(req)
	c.reached = c.reached || err == nil
	if err == nil {
		limit.ReportHeaders(ctx, res.Header)
	}
	return res, err
}

// read reads the answer in the form it has.
func (c *call) read(res *http.Response) error {
	defer func() { _ = res.Body.Close() }()
	if !modelcall.Succeeded(res) {
		return c.refusal(res)
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case foreign.IsPage(res.Header, nil):
		return modelcall.Page(res.Body)
	case media == "text/event-stream":
		return c.stream(foreign.Reader(res.Body, res.StatusCode))
	}
	data, err := modelcall.ReadAll(res.Body, wire.MaxFrame(c.cfg.MaxReplyBytes))
	if err != nil {
		return err
	}
	if foreign.IsPage(res.Header, data) || foreign.IsXML(data) {
		return modelcall.Page(bytes.NewReader(data))
	}
	frame, err := c.mapping.answer(data)
	if reported := reportedWithin(data, frame, err); reported != nil {
		return c.answer.Add(wire.Frame{Error: reported, Usage: frame.Usage})
	}
	switch {
	case errors.Is(err, wire.ErrNotJSON):
		return notJSON(res.StatusCode, data)
	case err != nil:
		return err
	case frame.Empty():
		return &foreign.Error{Status: res.StatusCode, What: "it has none of message, delta, end and error"}
	}
	return c.answer.Add(frame)
}

// headerValue percent-encodes characters that a header cannot hold.
func headerValue(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c > ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

var errElsewhere = errors.New("the agent names a Location on another server")
