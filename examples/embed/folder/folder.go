// Package folder is a platform whose conversations are files. A file
// <folder>/<agent>/<id>.json has the lines of a customer:
//
//	{"customer": ["Where is order 1042?", "Thanks."]}
//
// The agent answers each line; the last answer ends the conversation. What has been
// said is kept in the same file, and <id>.claim beside it means that a worker has
// claimed the conversation.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A Platform serves one folder. One process writes it.
type Platform struct {
	name, dir string
	mu        sync.Mutex // of the files
}

var (
	_ platforms.Conversations = (*Platform)(nil)
	_ platforms.Source        = (*Platform)(nil)
)

// New returns the platform of a folder. The name is that of the instance: refs carry it.
func New(name, dir string) *Platform { return &Platform{name: name, dir: dir} }

// Check looks for the agent's folder.
func (p *Platform) Check(ctx context.Context, _, agent string) error {
	if err := begin(ctx, "check"); err != nil {
		return err
	}
	path := filepath.Join(p.dir, agent)
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return &conversation.Error{Kind: conversation.NotFound, Op: "folder: check", Err: fmt.Errorf("there is no folder %q", path), Remedy: "make it"}
	}
	return nil
}

// Claim makes the claim's file, which only one can.
func (p *Platform) Claim(ctx context.Context, ref conversation.Ref) error {
	return p.with(ctx, "claim", ref, func(f *file) error {
		if err := mayAct(ctx, "claim"); err != nil {
			return err
		}
		claim, err := os.OpenFile(p.path(ref, ".claim"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return &conversation.Error{Kind: conversation.Claimed, Op: "folder: claim " + ref.ID, Err: errors.New("another worker has it")}
		}
		if err != nil {
			return unavailable("claim", err)
		}
		return claim.Close()
	})
}

// Context is empty: the folder knows nothing else of a customer.
func (p *Platform) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	return conversation.Context{}, p.with(ctx, "context", ref, func(*file) error { return nil })
}

// Transcript reads the file.
func (p *Platform) Transcript(ctx context.Context, ref conversation.Ref) (t platforms.Transcript, err error) {
	err = p.with(ctx, "transcript", ref, func(f *file) error {
		t = platforms.Transcript{Messages: f.Messages, State: f.state(), EndedBy: f.EndedBy}
		return nil
	})
	return t, err
}

// Send adds the agent's messages and the customer's next line. It answers a key that it
// has seen as before.
func (p *Platform) Send(ctx context.Context, ref conversation.Ref, in platforms.Send) (reply platforms.Reply, err error) {
	err = p.with(ctx, "send", ref, func(f *file) error {
		if in.IdempotencyKey != "" && in.IdempotencyKey == f.LastKey {
			reply = platforms.Reply{Messages: f.Messages[len(f.Messages)-f.LastReply:], Ended: f.EndedBy != ""}
			return nil
		}
		if f.EndedBy != "" {
			return &conversation.Error{Kind: conversation.Ended, Op: "folder: send to " + ref.ID, Err: errors.New("it has ended")}
		}
		now := time.Now().UTC()
		for _, m := range in.Messages {
			m.Time = now
			f.Messages = append(f.Messages, m)
		}
		if len(f.Customer) > f.Said {
			line := conversation.Text(conversation.RoleUser, f.Customer[f.Said])
			line.Time = now
			f.Said++
			reply.Messages = []conversation.Message{line}
			f.Messages = append(f.Messages, line)
		} else {
			f.EndedBy, reply.Ended = conversation.EndedByPersona, true
		}
		f.LastKey, f.LastReply = in.IdempotencyKey, len(reply.Messages)
		return p.write(ctx, "send", ref, f)
	})
	return reply, err
}

// End notes that the agent has ended the conversation.
func (p *Platform) End(ctx context.Context, ref conversation.Ref) error {
	return p.with(ctx, "end", ref, func(f *file) error {
		if f.EndedBy != "" {
			return nil
		}
		f.EndedBy = conversation.EndedByAgent
		return p.write(ctx, "end", ref, f)
	})
}

// Assigned lists the conversations without a claim.
func (p *Platform) Assigned(ctx context.Context, _, agent string) ([]platforms.Assignment, error) {
	return p.list(ctx, agent, platforms.StateWaiting)
}

// Open lists the conversations with a claim that have not ended.
func (p *Platform) Open(ctx context.Context, _, agent string) ([]platforms.Assignment, error) {
	return p.list(ctx, agent, platforms.StateOpen)
}

// list reports a file that cannot be read as a RowError: it holds up no other.
func (p *Platform) list(ctx context.Context, agent string, state platforms.State) ([]platforms.Assignment, error) {
	if err := begin(ctx, "list"); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	entries, err := os.ReadDir(filepath.Join(p.dir, agent))
	if err != nil {
		return nil, unavailable("list", err)
	}
	var found []platforms.Assignment
	var rows []error
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok {
			continue
		}
		ref := conversation.Ref{Platform: p.name, Agent: agent, ID: id}
		f, err := p.read(ref)
		switch {
		case err != nil:
			rows = append(rows, &platforms.RowError{ID: id, Err: err})
		case f.state() == state:
			found = append(found, platforms.Assignment{Ref: ref, Created: f.created, Touched: f.created})
		}
	}
	return found, errors.Join(rows...)
}
