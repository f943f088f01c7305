package onerun

import (
	"cmp"
	"context"
	"errors"
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
// oldest first. An empty agent stands for any. Where some simulations cannot be
// read, it returns those of the others along with the error.
func (p *Platform) Assigned(ctx context.Context, project, agent string) ([]platforms.Assignment, error) {
	waiting, err := p.list(ctx, project, agent, ConversationQueued)
	return assignments(waiting), err
}

// Open lists the conversations in progress of the agent's simulations in
// progress, oldest first. Touched is the newest message's time, or the
// conversation's last change if that is later. An empty agent stands for any.
// Conversations that cannot be read are left out, and the error says why.
func (p *Platform) Open(ctx context.Context, project, agent string) ([]platforms.Assignment, error) {
	open, err := p.list(ctx, project, agent, ConversationInProgress)
	touched, touchErr := each(open, func(f found) ([]found, error) {
		items, err := p.client.Items(ctx, location(f.Ref))
		if conversation.IsKind(err, conversation.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			f.Touched = latest(f.Touched, item.CreatedAt.Time)
		}
		return []found{f}, nil
	})
	return assignments(touched), errors.Join(err, touchErr)
}

// found is an assignment with its number within the simulation, which orders
// those made at the same time.
type found struct {
	platforms.Assignment
	seq int
}

// list reads the conversations of one status in all simulations in progress.
func (p *Platform) list(ctx context.Context, project, agent, status string) ([]found, error) {
	var simulations []Simulation
	for s, err := range p.client.Simulations(ctx, project, agent, SimulationInProgress) {
		if err != nil {
			return nil, err
		}
		// Servers that do not know the filters ignore them.
		if s.Status == SimulationInProgress && (agent == "" || s.AgentID == agent) {
			simulations = append(simulations, s)
		}
	}
	return each(simulations, func(s Simulation) ([]found, error) {
		return p.listSimulation(ctx, project, s, status)
	})
}

func (p *Platform) listSimulation(ctx context.Context, project string, s Simulation, status string) ([]found, error) {
	var out []found
	for cv, err := range p.client.Conversations(ctx, project, s.ID, status) {
		if conversation.IsKind(err, conversation.NotFound) {
			return nil, nil // gone since it was listed
		}
		if err != nil {
			return out, err
		}
		if cv.Status != status {
			continue
		}
		f := found{seq: cv.SeqID, Assignment: platforms.Assignment{
			Ref: conversation.Ref{
				Platform: p.name, Project: project, Simulation: s.ID, Agent: s.AgentID, ID: cv.ID,
			},
			Created: cv.CreatedAt.Time,
		}}
		if status == ConversationInProgress {
			f.Touched = latest(cv.CreatedAt.Time, cv.UpdatedAt.Time)
		}
		if cv.Persona != nil {
			f.Persona = rest.FewWords(cv.Persona.Summary)
		}
		out = append(out, f)
	}
	return out, nil
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

// each calls f for all of in, a few at a time, and joins what it returns. After a
// few failures it begins no more: the server is down, and the caller shall know.
func each[In, Out any](in []In, f func(In) ([]Out, error)) ([]Out, error) {
	const enough = 4
	outs, errs := make([][]Out, len(in)), make([]error, len(in))
	slots := make(chan struct{}, listers)
	var failed atomic.Int32
	var all sync.WaitGroup
	for i := range in {
		slots <- struct{}{}
		if failed.Load() >= enough {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			if outs[i], errs[i] = f(in[i]); errs[i] != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	return slices.Concat(outs...), errors.Join(errs...)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
