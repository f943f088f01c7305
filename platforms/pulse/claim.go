package pulse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// Claim claims an occurrence that is due. It reads the task before it claims:
// otherwise it would claim the next occurrence of a recurring task, or take a task
// from the worker that has it, for Pulse lets it. It reads the task again after the
// claim, to see who was first; who was not, leaves the task alone. If the task came
// to its next occurrence between the read and the claim, it releases that one.
//
// Kind Invalid: the occurrence is not due yet. Kind NotFound: there is no such task
// any more.
//
// With Adopt, for a task that [Platform.Open] lists and whose worker is believed
// dead, a task that another worker has claimed is claimed again, unless that is a Parley.
func (p *Platform) Claim(ctx context.Context, ref conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	return p.claim(ctx, ref, claim, claim.Adopt)
}

// FindClaim reads the task, and makes no claim. Of a task that came to its next
// occurrence in our name it releases that one, as [Platform.Claim] does.
func (p *Platform) FindClaim(ctx context.Context, ref conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	a, err := attemptAt(ref, claim, claim.Adopt)
	if err != nil {
		return platforms.Receipt{}, err
	}
	t, err := p.client.Task(ctx, a.task)
	if conversation.IsKind(err, conversation.NotFound) {
		return platforms.Receipt{}, a.claimed("it is gone")
	}
	if err != nil {
		return platforms.Receipt{}, mayHaveLanded(err, true)
	}
	if why := a.occurrence.over(t); why != "" {
		return platforms.Receipt{}, p.release(ctx, a, t, why)
	}
	switch held := t.lock(); {
	case t.Status != StatusProcessing:
		return platforms.Receipt{}, a.claimed("no worker has it")
	case held.By != a.worker:
		return platforms.Receipt{}, a.claimed(fmt.Sprintf("worker %q has it", rest.Clip(held.By)))
	default:
		return a.landed(held)
	}
}

// An attempt is one attempt to claim an occurrence.
type attempt struct {
	occurrence
	op     string
	worker string
	tried  bool
	over   bool // take over what another worker has
	before lock // as it was before the claim
}

func attemptAt(ref conversation.Ref, claim platforms.Claim, over bool) (attempt, error) {
	o, err := occurrenceOf(ref)
	return attempt{
		occurrence: o, op: fmt.Sprintf("pulse: claim task %q", o.task),
		worker: workerID(claim.Worker), tried: claim.Tried, over: over,
	}, err
}

func (p *Platform) claim(ctx context.Context, ref conversation.Ref, claim platforms.Claim, over bool) (platforms.Receipt, error) {
	a, err := attemptAt(ref, claim, over)
	if err != nil {
		return platforms.Receipt{}, err
	}
	t, err := p.client.Task(ctx, a.task)
	if err != nil {
		return platforms.Receipt{}, mayHaveLanded(err, claim.Tried)
	}
	a.before = t.lock()
	p.noteClaim(a.before)
	if why := a.occurrence.over(t); why != "" {
		return platforms.Receipt{}, p.release(ctx, a, t, why)
	}
	if t.Status == StatusProcessing {
		if a.before.By == a.worker && a.tried {
			return a.landed(a.before)
		}
		if !over || strings.HasPrefix(a.before.By, WorkerPrefix) {
			return platforms.Receipt{}, a.claimed(fmt.Sprintf("worker %q has it", rest.Clip(a.before.By)))
		}
	}
	if now := p.client.clock.now(); a.due.Sub(now) > dateLag {
		return platforms.Receipt{}, &conversation.Error{
			Kind: conversation.Invalid, Op: a.op,
			Err:    fmt.Errorf("it is due at %s, and Pulse's clock shows about %s", iso(a.due), iso(now)),
			Remedy: "claim it when it is due: Pulse runs what is acknowledged early a second time",
		}
	}
	id, err := p.client.Claim(ctx, a.task, a.worker)
	if err != nil {
		return p.refused(ctx, a, err)
	}
	after, err := p.client.Task(ctx, a.task)
	if err != nil {
		return platforms.Receipt{}, mayHaveLanded(err, true)
	}
	p.noteClaim(after.lock())
	if why := a.occurrence.over(after); why != "" {
		return platforms.Receipt{}, p.release(ctx, a, after, why)
	}
	return a.first(after, id)
}

// first decides who of those that claimed a task at the same time runs it. Pulse
// keeps the ids of all claims but the first. In stage A claims exclude, and there
// are no ids.
func (a attempt) first(t Task, id string) (platforms.Receipt, error) {
	now := t.lock()
	later := now.Parallels[min(len(a.before.Parallels), len(now.Parallels)):]
	switch {
	case t.Status != StatusProcessing:
		return platforms.Receipt{}, a.claimed(fmt.Sprintf("it is %s again", rest.Clip(t.Status)))
	case !a.over && slices.Contains(later, id), a.over && len(later) > 0 && later[0] != id:
		return platforms.Receipt{}, a.claimed("another worker claimed it first")
	case now.By != a.worker && !strings.HasPrefix(now.By, WorkerPrefix):
		// It came second, but it does not read the task again.
		return platforms.Receipt{}, a.claimed(fmt.Sprintf("worker %q claimed it at the same time and runs it", rest.Clip(now.By)))
	}
	return a.receipt(id), nil
}

// landed is for a claim whose answer was lost, and which the task shows.
func (a attempt) landed(now lock) (platforms.Receipt, error) {
	if !a.over && now.Current != "" && slices.Contains(now.Parallels, now.Current) {
		return platforms.Receipt{}, a.claimed("another worker claimed it first")
	}
	return a.receipt(now.Current), nil
}

// refused reads why Pulse refused a claim: the status is 500 whether the task is
// not ours or the server is ill.
func (p *Platform) refused(ctx context.Context, a attempt, err error) (platforms.Receipt, error) {
	var e *conversation.Error
	switch status := rest.StatusOf(err); {
	case !errors.As(err, &e), status == 0, e.Kind == conversation.Unauthorized, e.Kind == conversation.RateLimited,
		status == http.StatusUnprocessableEntity:
		return platforms.Receipt{}, mayHaveLanded(err, a.tried)
	}
	t, readErr := p.client.Task(ctx, a.task)
	if conversation.IsKind(readErr, conversation.NotFound) {
		return platforms.Receipt{}, readErr
	}
	if readErr != nil {
		return platforms.Receipt{}, err
	}
	if why := a.occurrence.over(t); why != "" {
		return platforms.Receipt{}, p.release(ctx, a, t, why)
	}
	if t.Status == StatusProcessing {
		now := t.lock()
		if now.By == a.worker {
			return a.landed(now)
		}
		return platforms.Receipt{}, a.claimed(fmt.Sprintf("worker %q has it", rest.Clip(now.By)))
	}
	switch e.Kind {
	case conversation.NotFound, conversation.Invalid:
		e.Kind = conversation.Invalid
		if rest.StatusOf(err) == http.StatusConflict {
			e.Kind = conversation.Unavailable // lost to a worker that has released it
			break
		}
		e.Remedy = "the task waits, but the server does not let it be claimed: is it a Pulse?"
	}
	if e.Answered {
		e.Ambiguous = false // the task shows that it has not
	}
	return platforms.Receipt{}, e
}

// release releases an occurrence that is not to be run any more. Our claim may have
// met the next occurrence of a recurring task instead, which no worker would run
// then: Pulse releases nothing.
func (p *Platform) release(ctx context.Context, a attempt, t Task, why string) error {
	if t.Status == StatusProcessing && a.moved(t) && t.lock().By == a.worker {
		if err := p.client.Reactivate(ctx, a.task); err != nil {
			return mayHaveLanded(err, true)
		}
	}
	return a.claimed(why)
}

func (a attempt) receipt(id string) platforms.Receipt {
	return platforms.Receipt{ExecutionID: id, Worker: a.worker}
}

func (a attempt) claimed(why string) error {
	return &conversation.Error{Kind: conversation.Claimed, Op: a.op, Err: errors.New(why)}
}

// mayHaveLanded marks a failed read of a claim that may be ours.
func mayHaveLanded(err error, may bool) error {
	var e *conversation.Error
	if may && errors.As(err, &e) {
		e.Ambiguous = true
	}
	return err
}

// workerID is the worker's name for Pulse.
func workerID(name string) string {
	if strings.HasPrefix(name, WorkerPrefix) {
		return name
	}
	return WorkerPrefix + name
}
