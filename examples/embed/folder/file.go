package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A file is one conversation.
type file struct {
	// Customer are the customer's lines, and Said is how many of them were sent.
	Customer []string `json:"customer"`
	Said     int      `json:"said,omitempty"`
	// Messages are those of both sides.
	Messages []conversation.Message `json:"messages,omitempty"`
	EndedBy  conversation.EndedBy   `json:"ended_by,omitempty"`
	// LastKey is that of the newest Send, and LastReply how many messages answered it.
	LastKey   string `json:"last_key,omitempty"`
	LastReply int    `json:"last_reply,omitempty"`

	created time.Time
	claimed bool
}

func (f *file) state() platforms.State {
	switch {
	case f.EndedBy != "":
		return platforms.StateEnded
	case f.claimed:
		return platforms.StateOpen
	}
	return platforms.StateWaiting
}

func (p *Platform) path(ref conversation.Ref, ending string) string {
	return filepath.Join(p.dir, ref.Agent, ref.ID+ending)
}

// with reads the conversation's file and gives it to do, alone.
func (p *Platform) with(ctx context.Context, op string, ref conversation.Ref, do func(*file) error) error {
	if err := begin(ctx, op); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f, err := p.read(ref)
	if errors.Is(err, fs.ErrNotExist) {
		return &conversation.Error{Kind: conversation.NotFound, Op: "folder: " + op, Err: fmt.Errorf("there is no conversation %q", ref.ID)}
	}
	if err != nil {
		return unavailable(op, err)
	}
	return do(f)
}

func (p *Platform) read(ref conversation.Ref) (*file, error) {
	if !filepath.IsLocal(ref.ID) || !filepath.IsLocal(ref.Agent) {
		return nil, fs.ErrNotExist
	}
	path := p.path(ref, ".json")
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := file{created: info.ModTime()}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	_, err = os.Stat(p.path(ref, ".claim"))
	f.claimed = err == nil
	return &f, nil
}

// write replaces the file whole: after an error the old one is there.
func (p *Platform) write(ctx context.Context, op string, ref conversation.Ref, f *file) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return unavailable(op, err)
	}
	if err := mayAct(ctx, op); err != nil {
		return err
	}
	fresh := p.path(ref, ".new")
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return unavailable(op, err)
	}
	if err := os.Rename(fresh, p.path(ref, ".json")); err != nil {
		return unavailable(op, err)
	}
	return nil
}

// begin refuses work whose context is done.
func begin(ctx context.Context, op string) error {
	if ctx.Err() != nil {
		return unavailable(op, context.Cause(ctx))
	}
	return nil
}

// mayAct refuses an effect to an attempt that has lost its right to act.
func mayAct(ctx context.Context, op string) error {
	if err := platforms.MayAct(ctx); err != nil {
		return unavailable(op, err)
	}
	return nil
}

func unavailable(op string, err error) error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: "folder: " + op, Err: err}
}
