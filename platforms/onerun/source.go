package onerun

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// listers is how many requests a listing makes at once: a stock OneRun has few
// database connections, and the conversations need them.
const listers = 4

// Assigned lists the queued conversations of the agent's simulations in progress,
// oldest first. An empty agent means any. What cannot be read, be it one
// conversation or all of a simulation, is a [platforms.RowError], and comes with all
// the others.
func (p *Platform) Assigned(ctx context.Context, project, agent string) ([]platforms.Assignment, error) {
	waiting, err := p.list(ctx, project, agent, ConversationQueued)
	return assignments(waiting), err
}

// Open lists the conversations in progress of the agent's simulations in
// progress, oldest first. Touched is the newest message's time, or the
// conversation's last change if that is later. An empty agent means any.
// Conversations that cannot be read, or of which no time can be read, are left out,
// and the error says why.
func (p *Platform) Open(ctx context.Context, project, agent string) ([]platforms.Assignment, error) {
	open, err := p.list(ctx, project, agent, ConversationInProgress)
	touched, touchErr := each(open, func(f found) ([]found, error) {
		newest, err := p.client.newest(ctx, location(f.Ref))
		f.Touched = latest(f.Touched, newest)
		switch {
		case conversation.IsKind(err, conversation.NotFound):
			return nil, nil
		case err == nil && f.Touched.IsZero():
			err = errors.New("it has no time that can be read")
		case err == nil:
			return []found{f}, nil
		}
		return nil, &platforms.RowError{ID: f.Ref.ID, Simulation: f.Ref.Simulation, Err: err}
	})
	return assignments(touched), errors.Join(err, touchErr)
}

// found is an assignment with its number within the simulation, which orders
// those made at the same time.
type found struct {
	platforms.Assignment
	seq int
}

// A listedSimulation is what a listing needs of a simulation.
type listedSimulation struct {
	ID      string `json:"id"`
	AgentID string `json:"agent_id"`
	Status  string `json:"status"`
}

// A listedConversation is what a listing needs of a conversation.
type listedConversation struct {
	ID        string    `json:"id"`
	SeqID     int       `json:"seq_id"`
	Status    string    `json:"status"`
	CreatedAt Timestamp `json:"created_at"`
	UpdatedAt Timestamp `json:"updated_at"`
	Persona   fewWords  `json:"persona"`
}

// fewWords are a persona's summary, shortened.
type fewWords string

// UnmarshalJSON implements [json.Unmarshaler]. It takes a persona of any shape.
func (w *fewWords) UnmarshalJSON(data []byte) error {
	var persona struct {
		Summary string `json:"summary"`
	}
	_ = tolerant(data, &persona) // it is only for people
	*w = fewWords(rest.FewWords(persona.Summary))
	return nil
}

// list reads the conversations of one status in all simulations in progress.
func (p *Platform) list(ctx context.Context, project, agent, status string) ([]found, error) {
	var simulations []listedSimulation
	var faults []error
	all := pages(ctx, p.client, listSimulations(project, agent, SimulationInProgress), func(s listedSimulation) string { return s.ID })
	for s, err := range all {
		var row *platforms.RowError
		switch {
		case errors.As(err, &row):
			faults = append(faults, &platforms.RowError{Simulation: row.ID, Err: row.Err})
		case err != nil:
			faults = append(faults, err)
		// Servers that do not know the filters ignore them.
		case s.Status == SimulationInProgress && (agent == "" || s.AgentID == agent):
			simulations = append(simulations, s)
		}
	}
	// In any order: no simulation is always the one that is not reached.
	rand.Shuffle(len(simulations), func(i, j int) { simulations[i], simulations[j] = simulations[j], simulations[i] })
	if status == ConversationQueued {
		out, err := p.listDue(ctx, project, simulations)
		return out, errors.Join(append(faults, err)...)
	}
	out, err := each(simulations, func(s listedSimulation) ([]found, error) {
		return p.listSimulation(ctx, project, s, status)
	})
	return out, errors.Join(append(faults, err)...)
}

// listDue lists what is queued in the simulations where something is to be expected,
// and now and then in the others. Where a simulation could not be listed and is not
// retried yet, its fault comes as before.
func (p *Platform) listDue(ctx context.Context, project string, simulations []listedSimulation) ([]found, error) {
	now, many := time.Now(), len(simulations) > pacedFrom
	var due []listedSimulation
	var faults []error
	for _, s := range simulations {
		ok, fault := p.pace.due(s.ID, many, now)
		if ok {
			due = append(due, s)
		} else if fault != nil {
			faults = append(faults, fault)
		}
	}
	p.pace.forget(now)
	var mu sync.Mutex
	listed := make(map[string]func())
	out, err := each(due, func(s listedSimulation) ([]found, error) {
		bounded, cancel := context.WithTimeout(ctx, p.pace.patienceFor(s.ID))
		defer cancel()
		found, err := p.listSimulation(bounded, project, s, ConversationQueued)
		if ctx.Err() != nil {
			return found, err
		}
		mu.Lock()
		defer mu.Unlock()
		listed[s.ID] = func() { p.pace.note(s.ID, len(found), wholeFault(err, s.ID), time.Now()) }
		return found, err
	})
	if _, away := platforms.RowErrors(err); away == nil {
		for _, note := range listed {
			note()
		}
	}
	return out, errors.Join(append(faults, err)...)
}

// wholeFault is why a simulation could not be listed at all, nil if it could.
func wholeFault(err error, simulation string) error {
	rows, _ := platforms.RowErrors(err)
	for _, row := range rows {
		if row.ID == "" && row.Simulation == simulation {
			return row
		}
	}
	return nil
}

func (p *Platform) listSimulation(ctx context.Context, project string, s listedSimulation, status string) ([]found, error) {
	var out []found
	var faults []error
	all := pages(ctx, p.client, listConversations(project, s.ID, status), func(cv listedConversation) string { return cv.ID })
	for cv, err := range all {
		var row *platforms.RowError
		switch {
		case errors.As(err, &row):
			faults = append(faults, &platforms.RowError{Simulation: s.ID, ID: row.ID, Err: row.Err})
			continue
		case conversation.IsKind(err, conversation.NotFound):
			return nil, nil // gone since it was listed
		case conversation.IsKind(err, conversation.RateLimited):
			return out, errors.Join(append(faults, err)...) // it is meant for all requests
		case err != nil:
			return out, errors.Join(append(faults, &platforms.RowError{Simulation: s.ID, Err: err})...)
		case cv.Status != status:
			continue
		}
		f := found{seq: cv.SeqID, Assignment: platforms.Assignment{
			Ref: conversation.Ref{
				Platform: p.name, Project: project, Simulation: s.ID, Agent: s.AgentID, ID: cv.ID,
			},
			Created: cv.CreatedAt.Time,
			Persona: string(cv.Persona),
		}}
		if status == ConversationInProgress {
			f.Touched = latest(cv.CreatedAt.Time, cv.UpdatedAt.Time)
		}
		out = append(out, f)
	}
	return out, errors.Join(faults...)
}

// assignments are the found, oldest first.
func assignments(all []found) []platforms.Assignment {
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(
			a.Created.Compare(b.Created),
			cmp.Compare(a.Ref.Simulation, b.Ref.Simulation),
			cmp.Compare(a.seq, b.seq),
			cmp.Compare(a.Ref.ID, b.Ref.ID),
		)
	})
	out := make([]platforms.Assignment, len(all))
	for i, f := range all {
		out[i] = f.Assignment
	}
	return out
}

// each calls f for all of in, a few at a time, and joins what it returns. A fault of
// one, which is a [platforms.RowError], holds up no other. While none succeeds it gives
// up after a few failures; where none of these was an answer of the service's own, the
// service is away, and that is the one error it returns.
func each[In, Out any](in []In, f func(In) ([]Out, error)) ([]Out, error) {
	outs, errs := make([][]Out, len(in)), make([]error, len(in))
	slots := make(chan struct{}, listers)
	var t tally
	var all sync.WaitGroup
	for i := range in {
		slots <- struct{}{}
		if t.hopeless() {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			outs[i], errs[i] = f(in[i])
			t.count(errs[i])
		})
	}
	all.Wait()
	err := errors.Join(errs...)
	if t.away() {
		err = cause(errs)
	}
	return slices.Concat(outs...), err
}

// A tally is what a number of requests have shown of the service.
type tally struct {
	up     atomic.Int32 // it answered them, or says what is wrong with one
	broken atomic.Int32 // it failed
	silent atomic.Int32 // nothing came, or nothing of its own
}

func (t *tally) count(err error) {
	var e *conversation.Error // none: at most single rows could not be read
	var answer *answerError
	own := errors.As(err, &answer) && !answer.Foreign() && answer.Status <= http.StatusInternalServerError
	switch {
	case !errors.As(err, &e), own && answer.Status < http.StatusInternalServerError, e.Kind != conversation.Unavailable:
		t.up.Add(1)
	case own:
		t.broken.Add(1)
	default:
		t.silent.Add(1)
	}
}

// hopeless reports whether more requests would only take time: those that nothing
// comes of take the longest.
func (t *tally) hopeless() bool { return t.up.Load() == 0 && 2*t.silent.Load()+t.broken.Load() >= 8 }

// away reports whether the service said nothing at all.
func (t *tally) away() bool {
	return t.up.Load() == 0 && t.broken.Load() == 0 && t.silent.Load() > 0
}

// cause is the first error, as one of the service as a whole.
func cause(errs []error) error {
	for _, err := range errs {
		if row := (*platforms.RowError)(nil); errors.As(err, &row) {
			return row.Err
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
