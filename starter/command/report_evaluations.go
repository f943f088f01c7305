package command

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/report"
	figures "github.com/parley-run/parley/internal/summary"
	"github.com/parley-run/parley/platforms"
)

// evaluateParallel bounds the requests to a platform that may be busy with conversations.
const evaluateParallel = 4

// evaluate asks the platforms for their evaluations of conversations that have ended. What
// cannot be had leaves a note: the report is useful without.
func (s *starter) evaluate(ctx context.Context, r *report.Report) {
	wanted := 0
	for _, c := range r.Conversations {
		if evaluable(c) {
			wanted++
		}
	}
	if wanted == 0 {
		return
	}
	assembly, err := s.assembly()
	if err != nil {
		r.EvaluationNote = "There are no evaluations: the configuration of the platforms could not be used: " + fmt.Sprint(message(err)[0])
		return
	}
	var (
		mu     sync.Mutex
		failed int
		first  error
		none   = map[string]bool{}
		found  = map[string][]conversation.Evaluation{}
		group  errgroup.Group
	)
	group.SetLimit(evaluateParallel)
	for _, c := range r.Conversations {
		if !evaluable(c) {
			continue
		}
		instance, ok := assembly.Platforms[c.Platform]
		if !ok {
			none[c.Platform] = true
			continue
		}
		judge, ok := platforms.As[platforms.Evaluated](instance.Platform)
		if !ok {
			continue
		}
		group.Go(func() error {
			list, err := judge.Evaluations(ctx, refOf(c))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
				if first == nil {
					first = err
				}
				return nil
			}
			found[c.ID] = list
			return nil
		})
	}
	_ = group.Wait() // each keeps its own error
	r.Evaluate(func(c figures.Case) []conversation.Evaluation { return found[c.ID] })
	switch {
	case failed > 0:
		r.EvaluationNote = fmt.Sprintf("The evaluations of %d of %d conversations could not be read: %v", failed, wanted, message(first)[0])
	case len(none) > 0:
		r.EvaluationNote = "There are no evaluations of platforms that are not in the configuration."
	}
}

// evaluable reports whether a platform may have judged the conversation.
func evaluable(c figures.Case) bool {
	return !c.Open && c.Platform != config.DirectPlatform && c.Platform != config.SchedulePlatform && c.Platform != ""
}

func refOf(c figures.Case) conversation.Ref {
	ref := conversation.Ref{Platform: c.Platform, Project: c.Project, Simulation: c.Simulation, Agent: c.Agent}
	ref.ID = c.ID[min(len(c.ID), len(ref.Platform)+len(ref.Project)+2):] // a workflow id is a Ref's String
	return ref
}
