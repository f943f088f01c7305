package records

import (
	"maps"
	"math"
	"slices"
	"time"
)

// timeline joins what the runs of a chain, the newest first, say about the turns.
func timeline(runs []runRecord, now time.Time) []Turn {
	byNumber := make(map[int]*Turn)
	turn := func(number int) *Turn {
		if byNumber[number] == nil {
			byNumber[number] = &Turn{Number: number}
		}
		return byNumber[number]
	}
	added := make(map[int]int)
	for _, run := range slices.Backward(runs) {
		for _, s := range run.timeline.steps {
			t := turn(s.turn)
			t.Steps = append(t.Steps, s.Step)
		}
		for index, number := range run.timeline.added {
			if _, ok := added[index]; !ok {
				added[index] = number
			}
		}
	}
	// A message that is first seen in a later turn than one that follows it is part of that
	// one's turn: the result of a tool call that an operator decided on.
	next := math.MaxInt
	for _, index := range slices.Backward(slices.Sorted(maps.Keys(added))) {
		next = min(next, added[index])
		t := turn(next)
		t.Messages = append(t.Messages, index)
	}
	turns := make([]Turn, 0, len(byNumber))
	for _, t := range byNumber {
		t.add(now)
		turns = append(turns, *t)
	}
	slices.SortFunc(turns, func(a, b Turn) int { return a.Number - b.Number })
	return turns
}

// add computes the turn's times and sums from its steps. Steps that are open last until
// now.
func (t *Turn) add(now time.Time) {
	slices.Sort(t.Messages)
	var replies, tools, exchanges, waiting, retrying, all spans
	open := false
	for _, s := range t.Steps {
		if t.Began.IsZero() || s.Scheduled.Before(t.Began) {
			t.Began = s.Scheduled
		}
		end := s.Ended
		if end.IsZero() {
			open, end = true, now
		} else if end.After(t.Ended) {
			t.Ended = end
		}
		began := s.Started
		switch {
		case !began.IsZero():
		case s.Ended.IsZero() && s.Attempts != 1:
			began = end // it waits for its first or its next attempt
		default:
			began = s.Scheduled // histories have the start of an attempt only with its end
		}
		if s.Attempts > 1 {
			t.Retries += s.Attempts - 1
			retrying = append(retrying, span{s.Scheduled, began})
		}
		work := span{began, end}
		switch s.Kind {
		case StepReply:
			replies = append(replies, work)
		case StepTool:
			tools = append(tools, work)
		case StepApproval, StepAttention, StepPaused, StepCapacity:
			waiting = append(waiting, work)
		default:
			exchanges = append(exchanges, work)
		}
		all = append(all, work)
		if r := s.Reply; r != nil {
			t.Usage = t.Usage.Add(r.Usage)
			if r.Executor != "" {
				t.Executor, t.Provider, t.Model, t.FinishReason = r.Executor, r.Provider, r.Model, r.FinishReason
			}
		}
	}
	end := t.Ended
	if open {
		t.Ended, end = time.Time{}, now
	}
	t.Reply, t.Tools, t.Exchange = replies.sum(), tools.sum(), exchanges.sum()
	t.Waiting, t.Retrying = waiting.sum(), retrying.sum()
	if !t.Began.IsZero() {
		total := Seconds(end.Sub(t.Began).Seconds())
		t.Overhead = max(0, total-append(all, retrying...).sum())
	}
}

// A span is the time between two moments.
type span struct{ from, to time.Time }

type spans []span

// sum is the time that at least one of the spans covers.
func (s spans) sum() Seconds {
	slices.SortFunc(s, func(a, b span) int { return a.from.Compare(b.from) })
	var total time.Duration
	var until time.Time
	for _, one := range s {
		if one.from.Before(until) {
			one.from = until
		}
		if one.to.After(one.from) {
			total += one.to.Sub(one.from)
			until = one.to
		}
	}
	return Seconds(total.Round(time.Millisecond).Seconds())
}
