package pulse

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// Assigned lists what is due now, the longest due first. What Pulse calls due is due:
// its Date header may be seconds behind its clock, so no time is compared with it to
// leave out what a poll lists. An empty agent means any; another one is held
// against the payload's agent_id. There are no projects.
//
// It polls, and asks for the list of what is due, type by type: polls do not show
// what became due before the current minute. The list is asked for every time, since
// it costs one small request a type and a task that slips through expires within 60
// seconds. A poll that fails is no fault as long as the list can be read.
//
// A cron task that Pulse has let expire stays where it was, and is listed: it runs
// late, and its acknowledgement moves it on.
//
// Tasks of types other than run_agent and execute_agent that have a webhook are
// left out: Pulse delivers those itself. Those that cannot be run are in the
// error, as a [platforms.RowError] each.
func (p *Platform) Assigned(ctx context.Context, _, agent string) ([]platforms.Assignment, error) {
	polled, pollErr := p.client.Poll(ctx, p.types, pollLimit)
	switch kind := conversation.KindOf(pollErr); {
	case pollErr == nil:
		p.last.Store(&polled)
	case errors.Is(pollErr, rest.ErrLonger): // the list goes on where that broke off
		pollErr = nil
	case rest.StatusOf(pollErr) == 0 && len(polled.Tasks) == 0, kind == conversation.Unauthorized, kind == conversation.RateLimited:
		return nil, pollErr // the list would say the same
	}
	var errs []error
	all := p.occurrences(agent)
	for _, fault := range polled.Odd {
		all.fails(fault)
	}
	for _, t := range polled.Tasks {
		if due := t.ScheduledFor.Time; !due.IsZero() {
			all.add(occurrence{t.ID, due}, about{t.Type, t.Payload, t.Metadata}, time.Time{})
		}
	}
	for _, name := range p.types {
		f := Filter{Status: StatusActive, Type: name, Until: p.client.clock.now().Add(dateLag)}
		for t, err := range p.client.Tasks(ctx, f) {
			if all.fails(err) {
				continue
			}
			if err != nil {
				errs = append(errs, err)
				break
			}
			if t.Status == StatusActive && t.Type == name && p.isDue(t.NextExecution.Time, polled, pollErr) {
				all.add(occurrence{t.ID, t.NextExecution.Time}, about{t.Type, t.Payload, t.Metadata}, time.Time{})
			}
		}
	}
	if len(errs) > 0 {
		errs = append(errs, pollErr)
	} else if pollErr == nil && p.foreign.due() {
		p.lookForOthers(ctx)
	}
	return all.sorted(), errors.Join(append(errs, all.fault())...)
}

// isDue reports whether Pulse's clock has reached a time: by what is known of it, or
// because Pulse has just said what is due next, and that comes later.
func (p *Platform) isDue(at time.Time, polled PollAnswer, pollErr error) bool {
	if at.IsZero() {
		return false
	}
	saysLater := pollErr == nil && polled.NextKnown && (polled.NextPollAt.IsZero() || at.Before(polled.NextPollAt))
	return saysLater || !at.After(p.client.clock.now())
}

// Open lists the tasks that some worker other than a Parley has claimed and not
// acknowledged, the longest due first, with the time of the claim. Pulse gives no
// other sign of life: its built-in worker may run a task for ten minutes. What a
// Parley has claimed is not listed: its workflow goes on by itself, and what it
// could not acknowledge must not run again.
func (p *Platform) Open(ctx context.Context, _, agent string) ([]platforms.Assignment, error) {
	var errs []error
	all := p.occurrences(agent)
	for _, name := range p.types {
		for t, err := range p.client.Tasks(ctx, Filter{Status: StatusProcessing, Type: name}) {
			if all.fails(err) {
				continue
			}
			if err != nil {
				errs = append(errs, err)
				break
			}
			held := t.lock()
			p.noteClaim(held)
			if t.Status != StatusProcessing || t.Type != name || strings.HasPrefix(held.By, WorkerPrefix) {
				continue
			}
			due := t.NextExecution.Time
			if due.IsZero() {
				due = held.At.Time
			}
			touched := held.At.Time
			if touched.IsZero() {
				touched = due
			}
			if !due.IsZero() {
				all.add(occurrence{t.ID, due}, about{t.Type, t.Payload, t.Metadata}, touched)
			}
		}
	}
	return all.sorted(), errors.Join(append(errs, all.fault())...)
}

// Next is when it is worth asking again, by our own clock: when the next task is due
// that Pulse knew at the last poll, or after the interval at which it wants to be
// polled, whichever is earlier. While that task may be due any moment, Next is a
// moment away. Zero: Pulse did not say.
func (p *Platform) Next() time.Time {
	last := p.last.Load()
	if last == nil {
		return time.Time{}
	}
	var next time.Time
	if last.Interval > 0 {
		next = last.Received.Add(last.Interval)
	}
	if last.NextPollAt.IsZero() {
		return next
	}
	now := time.Now()
	atLeast, atMost := p.client.clock.until(last.NextPollAt)
	if atMost <= 0 {
		return next
	}
	if due := now.Add(max(atLeast, closeBy)); next.IsZero() || due.Before(next) {
		next = due
	}
	return next
}

// occurrences are assignments by the ids of their refs: what the poll and the list
// both show is there once.
type occurrences struct {
	platform *Platform
	agent    string
	by       map[string]platforms.Assignment
	odd      map[string]error // those that cannot be run
}

func (p *Platform) occurrences(agent string) occurrences {
	return occurrences{platform: p, agent: agent, by: map[string]platforms.Assignment{}, odd: map[string]error{}}
}

// fails records the fault of one row, if err is one. The other rows are still read.
func (l occurrences) fails(err error) bool {
	var row *platforms.RowError
	if !errors.As(err, &row) {
		return false
	}
	key := row.ID
	if key == "" {
		key = row.Err.Error() // and else every poll would add one
	}
	if len(l.odd) < maxOdd {
		l.odd[key] = row
	}
	return true
}

// maxOdd bounds how many tasks that cannot be run are named at once.
const maxOdd = 1000

// fault joins those that cannot be run, one by one.
func (l occurrences) fault() error {
	var all []error
	for _, id := range slices.Sorted(maps.Keys(l.odd)) {
		all = append(all, l.odd[id])
	}
	return errors.Join(all...)
}

// about is what a task says of itself.
type about struct {
	kind              string
	payload, metadata json.RawMessage
}

// maxTaskID leaves bytes for the platform's name and the second in a workflow's id, and
// for what Temporal takes as a search attribute.
const maxTaskID = 200

func (l occurrences) add(o occurrence, a about, touched time.Time) {
	if !slices.Contains(l.platform.types, a.kind) {
		return
	}
	var payload struct {
		AgentID    string `json:"agent_id"`
		Entrypoint string `json:"entrypoint_tag"`
	}
	_ = json.Unmarshal(a.payload, &payload) // what it lacks, the run will say
	if l.agent != "" && payload.AgentID != l.agent || a.pushed() {
		return
	}
	ref := l.platform.ref(o, l.agent)
	err := ref.Validate()
	if len(o.task) > maxTaskID {
		err = fmt.Errorf("its id has %d bytes, and at most %d are possible", len(o.task), maxTaskID)
	}
	if err != nil {
		l.fails(&platforms.RowError{ID: rest.Clip(o.task), Err: fmt.Errorf("it cannot be run: %s (delete it on Pulse, and schedule it anew: it gets an id that can be used)", rest.Clip(err.Error()))})
		return
	}
	words := strings.Join(strings.Fields(strings.Join([]string{a.kind, payload.AgentID, payload.Entrypoint}, " ")), " ")
	l.by[ref.ID] = platforms.Assignment{Ref: ref, Created: o.due, Touched: touched, Persona: rest.FewWords(words)}
}

// pushed reports whether Pulse itself delivers the task to a webhook, instead of
// having it run.
func (a about) pushed() bool {
	if slices.Contains(DefaultTypes(), a.kind) {
		return false
	}
	var metadata struct {
		IsWebhook bool `json:"is_webhook"`
	}
	return json.Unmarshal(a.metadata, &metadata) == nil && metadata.IsWebhook
}

func (l occurrences) sorted() []platforms.Assignment {
	out := make([]platforms.Assignment, 0, len(l.by))
	for _, a := range l.by {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b platforms.Assignment) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Ref.ID, b.Ref.ID))
	})
	return out
}
