package pulse

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

const (
	pollLimit = 100 // Pulse's own limit
	pageLimit = 100
	// smallPage is for lists with very long tasks.
	smallPage = 10
	// maxField is how long a field of a task may be to be read: a task that can run has
	// no longer one, even where each character takes three times what it takes with us.
	// maxRow bounds what is kept of a task in a list. maxTask is how much of the answer with one task is read.
	maxField = 3 << 20
	maxRow   = 8 << 20
	maxTask  = 64 << 20
	// maxPages bounds what a list that never ends can do.
	maxPages = 1000
)

// A Client calls Pulse's API. Its methods are safe for concurrent use. They make
// one request each (lists: one a page) and never retry. Failures are
// [conversation.Error] values.
type Client struct {
	api   *rest.Client
	clock *serverClock
}

// NewClient checks the configuration, reporting every fault at once, and makes no
// request.
func NewClient(cfg ClientConfig) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("pulse: %w", err)
	}
	base, err := parseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("pulse: %w", err)
	}
	c := &rest.Client{
		Words: words(), Base: base.String(), HTTP: rest.NewHTTPClient(httpclient.Config{Client: cfg.HTTPClient}), Header: http.Header{},
		Timeout:    cmp.Or(cfg.Timeout, DefaultTimeout),
		PageRemedy: func() string { return pageRemedy(base) }, Own: own,
	}
	c.Header.Set("User-Agent", cmp.Or(cfg.UserAgent, "parley"))
	if key := cfg.key(); key != "" {
		// The prefix is checked to the letter.
		c.Header.Set("Authorization", "Bearer "+key)
		c.Secrets = []string{key, url.QueryEscape(key)}
	}
	return &Client{api: c, clock: newServerClock()}, nil
}

// CloseIdleConnections closes connections that no request is using.
func (c *Client) CloseIdleConnections() { c.api.HTTP.CloseIdleConnections() }

// Health asks whether Pulse is up. It needs no key.
func (c *Client) Health(ctx context.Context) error {
	_, err := c.call(ctx, rest.Request{Op: "health", Method: http.MethodGet, Path: rest.Path("health")}, nil)
	return err
}

// Poll lists what became due in the current minute and is not older than 60
// seconds, at most limit of it (up to 100). Pulse's conditional poll answers 500,
// so it is not used.
func (c *Client) Poll(ctx context.Context, types []string, limit int) (PollAnswer, error) {
	var other struct {
		NextPollAt json.RawMessage `json:"next_poll_at"`
	}
	begun := c.clock.elapsed()
	r := rest.Request{
		Op: "poll", Method: http.MethodGet, Path: rest.Path("tasks", "poll"),
		Query: url.Values{"types": {strings.Join(types, ",")}, "limit": {strconv.Itoa(limit)}},
	}
	var answer PollAnswer
	a, err := c.api.Rows(ctx, r, listOf("task_id", &other), func(row rest.Row) error {
		t, fault := readDueTask(row)
		if fault != nil {
			answer.Odd = append(answer.Odd, fault)
			return nil
		}
		c.clock.saw(t.ScheduledFor.Time) // or it would not be there
		answer.Tasks = append(answer.Tasks, t)
		return nil
	})
	c.heard(a)
	answer.Received = time.Now()
	var next Timestamp
	if len(other.NextPollAt) > 0 && json.Unmarshal(other.NextPollAt, &next) == nil {
		answer.NextPollAt, answer.NextKnown = next.Time, true
		if !next.IsZero() {
			c.clock.notYet(next.Time, begun)
		}
	}
	if d, ok := httpclient.Value(a.Header.Get("X-Poll-Interval"), time.Second, time.Now()); ok {
		answer.Interval = d
	}
	return answer, err
}

// listOf bounds a list of tasks. What is too long for a task to run is left out of
// its row, and the rest of the row is read: the task is to be answered too.
func listOf(id string, other any) rest.List {
	return rest.List{Field: "tasks", ID: id, MaxField: maxField, MaxRow: maxRow, Other: other}
}

// A Filter says which tasks to list.
type Filter struct {
	Status, Type string // empty: any
	// Until leaves out what is due later. Zero: nothing is left out.
	Until time.Time
}

// Tasks lists tasks, what is due first before what is due later. Pages are counted
// by offset: what leaves the list while it is read moves others to pages that were
// read already, and they are missing until the list is read again.
//
// Tasks are handed out while the answer is read, one at a time. One that cannot be
// understood, for every client may write anything into most of their columns, is
// reported by a [platforms.RowError] in its place: it holds up no other. A page that
// is longer than is read at once continues where it broke off.
func (c *Client) Tasks(ctx context.Context, f Filter) iter.Seq2[Task, error] {
	return c.tasks(ctx, f, pageLimit)
}

func (c *Client) tasks(ctx context.Context, f Filter, limit int) iter.Seq2[Task, error] {
	q := url.Values{}
	if f.Status != "" {
		q.Set("status", f.Status)
	}
	if f.Type != "" {
		q.Set("schedule_type", f.Type)
	}
	if !f.Until.IsZero() {
		q.Set("end_time", strconv.FormatInt(f.Until.Unix(), 10))
	}
	r := rest.Request{Op: "list tasks", Method: http.MethodGet, Path: rest.Path("tasks"), Query: q}
	return func(yield func(Task, error) bool) {
		limit, offset := limit, 0
		for range maxPages {
			q.Set("limit", strconv.Itoa(limit))
			q.Set("offset", strconv.Itoa(offset))
			n, err := c.page(ctx, r, yield)
			offset += n
			switch {
			case errors.Is(err, errStop):
				return
			case errors.Is(err, rest.ErrLonger):
				if limit = min(limit, smallPage); n > 0 {
					continue
				}
				if !yield(Task{}, &platforms.RowError{Err: fmt.Errorf("pulse: list tasks: the task at offset %d cannot be read: %w", offset, err)}) {
					return
				}
				offset++
			case err != nil:
				yield(Task{}, err)
				return
			case n < limit:
				return
			}
		}
		yield(Task{}, c.api.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: rest.ErrEndless}))
	}
}

// errStop ends a reading that is not wanted any more.
var errStop = errors.New("stop")

// page hands out one page of a list, and counts its rows.
func (c *Client) page(ctx context.Context, r rest.Request, yield func(Task, error) bool) (n int, err error) {
	a, err := c.api.Rows(ctx, r, listOf("id", nil), func(row rest.Row) error {
		n++
		t, fault := readTask(row)
		more := true
		if fault != nil {
			more = yield(Task{}, fault)
		} else {
			more = yield(t, nil)
		}
		if !more {
			return errStop
		}
		return nil
	})
	c.heard(a)
	return n, err
}

// Task gets one task, without the fields that are too long for a task to run.
func (c *Client) Task(ctx context.Context, id string) (Task, error) {
	r := c.on(id, "get", http.MethodGet, "")
	r.Requires = []string{"id", "status"}
	var data json.RawMessage
	cut, a, err := c.api.Trimmed(ctx, r, maxField, maxTask, &data)
	c.heard(a)
	if err != nil {
		return Task{}, err
	}
	t, fault := readTask(rest.Row{ID: id, Data: data, Cut: cut})
	if fault != nil {
		return Task{}, c.api.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: fault.Err, Answered: true})
	}
	return t, nil
}

// call makes a request, and learns the server's time from its answer.
func (c *Client) call(ctx context.Context, r rest.Request, out any) (rest.Answer, error) {
	a, err := c.api.Call(ctx, r, out)
	c.heard(a)
	return a, err
}

func (c *Client) heard(a rest.Answer) {
	if a.Status != 0 {
		c.clock.saw(a.ServerTime())
	}
}

// Claim claims a task, and returns the execution id. It is empty in stage A. A
// refusal comes as a status of 500; and from stage A2 on a task that is claimed
// already can be claimed again.
func (c *Client) Claim(ctx context.Context, id, worker string) (executionID string, err error) {
	r := c.on(id, "claim", http.MethodPost, "claim")
	r.Writes = true
	r.Body = struct {
		WorkerID string `json:"worker_id"`
	}{worker}
	var out struct {
		ExecutionID string `json:"execution_id"`
	}
	r.Requires = []string{"status"}
	if _, err = c.call(ctx, r, &out); err != nil {
		return "", err
	}
	if len(out.ExecutionID) > maxTaskID || !conversation.ValidInWorkflowID(out.ExecutionID) {
		// It becomes a search attribute and a header.
		return "", c.api.Fail(r, &conversation.Error{
			Kind: conversation.Unavailable, Ambiguous: true, Answered: true,
			Err: fmt.Errorf("the execution id %q cannot be used: it has %d bytes, or characters that are not printable ASCII", rest.Clip(out.ExecutionID), len(out.ExecutionID)),
		})
	}
	return out.ExecutionID, nil
}

// errOtherAnswer is an answer of success that Pulse does not give to an
// acknowledgement.
var errOtherAnswer = errors.New("the answer is not one of Pulse's to an acknowledgement")

// Ack acknowledges a task. For a recurring task that is not idempotent.
func (c *Client) Ack(ctx context.Context, id string, ack Ack) error {
	r := c.on(id, "acknowledge", http.MethodPost, "ack")
	r.Writes, r.Body = true, ack
	var out map[string]json.RawMessage
	if _, err := c.call(ctx, r, &out); err != nil {
		return err
	}
	if _, ok := out["next_execution"]; !ok {
		return c.api.Fail(r, &conversation.Error{Kind: conversation.Unavailable, Err: errOtherAnswer, Ambiguous: true, Answered: true})
	}
	return nil
}

// History lists the newest executions of a task, at most limit of them, newest
// first. Stages A2 and B answer 500 as soon as there is one.
func (c *Client) History(ctx context.Context, id string, limit int) ([]Execution, error) {
	r := c.on(id, "read the history of", http.MethodGet, "history")
	r.Query = url.Values{"limit": {strconv.Itoa(limit)}}
	r.Requires = []string{"history"}
	var out struct {
		History []Execution `json:"history"`
	}
	_, err := c.call(ctx, r, &out)
	return out.History, err
}

// SetMetadata replaces a task's metadata as a whole.
func (c *Client) SetMetadata(ctx context.Context, id string, metadata json.RawMessage) error {
	return c.patch(ctx, id, "write the metadata of", struct {
		Metadata json.RawMessage `json:"metadata"`
	}{metadata})
}

// Reactivate lets a claimed or paused task wait to be claimed again.
func (c *Client) Reactivate(ctx context.Context, id string) error {
	return c.patch(ctx, id, "let go of", struct {
		Status string `json:"status"`
	}{StatusActive})
}

// patch sets columns of a task. Pulse takes the names of the keys for parts of its
// SQL: none may come from outside.
func (c *Client) patch(ctx context.Context, id, verb string, columns any) error {
	r := c.on(id, verb, http.MethodPatch, "")
	r.Writes, r.Body = true, columns
	_, err := c.call(ctx, r, nil)
	return err
}

// on is a request about one task.
func (c *Client) on(id, verb, method, action string) rest.Request {
	segments := []string{"tasks", id}
	if action != "" {
		segments = append(segments, action)
	}
	return rest.Request{Op: fmt.Sprintf("%s task %q", verb, id), IDs: []string{id}, Method: method, Path: rest.Path(segments...)}
}
