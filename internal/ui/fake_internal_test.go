package ui

import (
	"context"
	"sync"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// fakeSource is a source that tests change.
type fakeSource struct {
	mu       sync.Mutex
	snapshot records.Snapshot
	all      map[string]records.Record
	changed  chan struct{}
	err      error // of Record
}

func newFake(all ...records.Record) *fakeSource {
	f := &fakeSource{all: map[string]records.Record{}, changed: make(chan struct{})}
	f.put(all...)
	return f
}

// put adds records, or replaces those of the same ids.
func (f *fakeSource) put(all ...records.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshot.At = began
	for _, r := range all {
		f.all[r.ID] = r
	}
	var list []records.Conversation
	for _, r := range f.all {
		list = append(list, r.Conversation)
	}
	f.snapshot.Conversations = newestFirst(list)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeSource) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshot.Err, f.err = err, err
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeSource) Snapshot() records.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshot
}

func (f *fakeSource) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeSource) Record(_ context.Context, id string) (records.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return records.Record{}, f.err
	}
	r, ok := f.all[id]
	if !ok {
		return r, records.Faultf(records.NotFound, nil, "no workflow %q", id)
	}
	return r, nil
}

// fakeActor records the acts.
type fakeActor struct {
	mu   sync.Mutex
	acts []any
	err  error
}

func (f *fakeActor) did(req any) (workflows.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acts = append(f.acts, req)
	return workflows.Status{}, f.err
}

func (f *fakeActor) Resume(_ context.Context, _ string, req workflows.ResumeRequest) (workflows.Status, error) {
	return f.did(req)
}

func (f *fakeActor) Takeover(_ context.Context, _ string, req workflows.TakeoverRequest) (workflows.Status, error) {
	return f.did(req)
}

func (f *fakeActor) End(_ context.Context, _ string, req workflows.EndRequest) (workflows.Status, error) {
	return f.did(req)
}

func (f *fakeActor) Pause(_ context.Context, _ string, req workflows.PauseRequest) (workflows.Status, error) {
	return f.did(req)
}

func (f *fakeActor) Approve(_ context.Context, _ string, req workflows.ApproveRequest) (workflows.Status, error) {
	return f.did(req)
}
