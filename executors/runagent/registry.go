package runagent

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // reads RunAgent's registry without cgo

	"github.com/parley-run/parley/conversation"
)

// registryFile is RunAgent's list of the agents on this machine.
const registryFile = "runagent_local.db"

// A localAgent is an agent in RunAgent's registry. It may not be running.
type localAgent struct {
	ID   string
	Host string
	Port int
}

// maxListed bounds how many agents an error names.
const maxListed = 20

func (e *Executor) registryPath() string { return filepath.Join(e.cfg.CacheDir, registryFile) }

// registered returns the agents in RunAgent's registry, newest first.
func (e *Executor) registered(ctx context.Context) ([]localAgent, error) {
	path := e.registryPath()
	op := "runagent: look up local agents in " + path
	if _, err := os.Stat(path); err != nil {
		out := &conversation.Error{Kind: conversation.Invalid, Op: op, Err: errors.New("there is no such file"), Remedy: remedyRegistry}
		if !errors.Is(err, fs.ErrNotExist) {
			var at *fs.PathError
			if errors.As(err, &at) {
				err = at.Err // the operation names the path
			}
			out.Err, out.Remedy = err, "let this user read it"
		}
		return nil, out
	}
	agents, err := readRegistry(ctx, path)
	if err != nil {
		return nil, &conversation.Error{
			Kind: conversation.Unavailable, Op: op, Err: err, Remedy: "if it persists, set host and port instead",
		}
	}
	return agents, nil
}

const remedyRegistry = "start the agent on this machine with runagent serve, point cache_dir at RunAgent's folder, or give host and port"

// readRegistry opens the file on each call: it is small, and "runagent serve"
// changes it.
func readRegistry(ctx context.Context, path string) ([]localAgent, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&_pragma=busy_timeout(2000)"}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, `SELECT agent_id, coalesce(host, ''), coalesce(port, 0) FROM agents ORDER BY rowid DESC`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []localAgent
	for rows.Next() {
		var a localAgent
		if err := rows.Scan(&a.ID, &a.Host, &a.Port); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// lookUp returns the registry's address of an agent.
func (e *Executor) lookUp(ctx context.Context, id string) (localAgent, error) {
	agents, err := e.registered(ctx)
	if err != nil {
		return localAgent{}, err
	}
	ids := make([]string, 0, len(agents))
	for _, a := range agents {
		if a.ID == id && a.Port > 0 && checkHost(a.Host) == nil {
			return a, nil
		}
		if len(ids) < maxListed {
			ids = append(ids, fmt.Sprintf("%q", a.ID))
		}
	}
	there := "there are none"
	if len(ids) > 0 {
		there = "there are " + strings.Join(ids, ", ")
	}
	return localAgent{}, &conversation.Error{
		Kind: conversation.Invalid, Op: fmt.Sprintf("runagent: look up local agent %q in %s", id, e.registryPath()),
		Err: errors.New("no agent has that id: " + there), Remedy: remedyRegistry,
	}
}
