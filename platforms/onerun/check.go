package onerun

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// Check asks for the server's health, then for the project and the agent on the
// routes that need the key. An unknown project or agent is reported with those
// that exist.
func (p *Platform) Check(ctx context.Context, project, agent string) error {
	if err := p.checkHealth(ctx); err != nil {
		return err
	}
	if project == "" {
		if err := first(p.client.Projects(ctx)); err != nil {
			return p.keyed(err)
		}
	} else if err := p.checkProject(ctx, project); conversation.IsKind(err, conversation.NotFound) {
		return errors.Join(err, p.checkAgentAlone(ctx, agent))
	} else if err != nil {
		return err
	}
	return p.checkAgent(ctx, project, agent)
}

// checkHealth distinguishes a server that is not there, a web page and an API.
func (p *Platform) checkHealth(ctx context.Context) error {
	err := p.client.Health(ctx)
	var e *conversation.Error
	if !errors.As(err, &e) {
		return err
	}
	switch status := rest.StatusOf(err); {
	case errors.Is(err, rest.ErrWebPage) && status < 500:
		e.Kind = conversation.Invalid
	case status == http.StatusNotFound:
		// Some other server, perhaps a compatible one: the next requests will show.
		return nil
	case status == 0 && e.Remedy == "" && ctx.Err() == nil:
		e.Remedy = p.client.unreachableRemedy()
	}
	return e
}

// unreachableRemedy helps where there is no connection.
func (c *Client) unreachableRemedy() string {
	if u, err := url.Parse(c.api.Base); err == nil && u.Port() == "3000" {
		u.Host = u.Hostname() + ":3001"
		return fmt.Sprintf("port 3000 is the web app's: set base_url to the API, usually %s", u)
	}
	return "start OneRun, or check base_url"
}

func (p *Platform) checkProject(ctx context.Context, project string) error {
	_, err := p.client.Project(ctx, project)
	if !conversation.IsKind(err, conversation.NotFound) {
		return p.keyed(err)
	}
	var known []string
	for other, listErr := range p.client.Projects(ctx) {
		if isRow(listErr) {
			continue
		}
		if listErr != nil {
			return p.keyed(listErr)
		}
		known = append(known, named(other.Name, other.ID))
	}
	return unknown(err, "project", "ONERUN_PROJECT_ID", known)
}

func (p *Platform) checkAgent(ctx context.Context, project, agent string) error {
	if agent == "" {
		return nil
	}
	found, err := p.client.Agent(ctx, project, agent)
	if err == nil {
		if project == "" || found.ProjectID == "" || found.ProjectID == project {
			return nil
		}
		err = &conversation.Error{
			Kind: conversation.NotFound,
			Op:   fmt.Sprintf("onerun: get agent %q", agent),
			Err:  fmt.Errorf("it belongs to project %q, not to %q", found.ProjectID, project),
		}
	}
	if !conversation.IsKind(err, conversation.NotFound) {
		return p.keyed(err)
	}
	var known []string
	for other, listErr := range p.client.Agents(ctx, project) {
		if isRow(listErr) {
			continue
		}
		if listErr != nil {
			return errors.Join(err, p.keyed(listErr))
		}
		known = append(known, named(other.Name, other.ID))
	}
	return unknown(err, "agent", "ONERUN_AGENT_ID", known)
}

// checkAgentAlone finds the agent where the project is unknown. Servers that
// ask for the project cannot say.
func (p *Platform) checkAgentAlone(ctx context.Context, agent string) error {
	if agent == "" {
		return nil
	}
	found, err := p.client.Agent(ctx, "", agent)
	switch {
	case conversation.IsKind(err, conversation.NotFound):
		if e := (*conversation.Error)(nil); errors.As(err, &e) {
			e.Remedy = "check agent, or ONERUN_AGENT_ID"
		}
		return err
	case err == nil && found.ProjectID != "":
		return &conversation.Error{
			Kind: conversation.Invalid,
			Op:   fmt.Sprintf("onerun: get agent %q", agent),
			Err:  fmt.Errorf("it belongs to project %q", found.ProjectID),
		}
	}
	return nil
}

// keyed adds what a failure means on a route that needs the key.
func (p *Platform) keyed(err error) error {
	var e *conversation.Error
	if !errors.As(err, &e) {
		return err
	}
	switch rest.StatusOf(err) {
	case http.StatusInternalServerError:
		e.Remedy = "a OneRun started without AUTH_API_KEY fails like this: set it on the server, or read the server's log"
	case http.StatusNotFound:
		e.Kind = conversation.Invalid
		e.Remedy = fmt.Sprintf("nothing like OneRun's API is at %s: check base_url", p.client.api.Base)
	}
	return err
}

// unknown says which ones there are instead.
func unknown(err error, what, variable string, known []string) error {
	const shown = 5
	var e *conversation.Error
	if !errors.As(err, &e) {
		return err
	}
	there := "there is none yet: make one first"
	if n := len(known); n > shown {
		there = fmt.Sprintf("there are %s and %d more", strings.Join(known[:shown], ", "), n-shown)
	} else if n > 0 {
		there = "there is " + strings.Join(known, ", ")
	}
	e.Remedy = fmt.Sprintf("check %s, or %s: %s", what, variable, there)
	return e
}

func named(name, id string) string {
	return fmt.Sprintf("%s (%s)", rest.Clip(name), id)
}

// first reads a list's first page for its error. Rows that cannot be read are none.
func first[T any](list iter.Seq2[T, error]) error {
	for _, err := range list {
		if isRow(err) {
			continue
		}
		return err
	}
	return nil
}

func isRow(err error) bool {
	var row *platforms.RowError
	return errors.As(err, &row)
}
