package pulse

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// Check asks for the server's health, checks that it has a Pulse's routes, as far
// as it shows them, and polls, for which the key is needed. It reports other workers
// that claim the same tasks. Pulse knows no agents, so an agent cannot be checked; and
// it has no projects.
func (p *Platform) Check(ctx context.Context, project, _ string) error {
	var errs []error
	if project != "" {
		errs = append(errs, &conversation.Error{
			Kind: conversation.Invalid, Op: fmt.Sprintf("pulse: project %q", rest.Clip(project)),
			Err: errors.New("there are no projects in Pulse"), Remedy: "leave project out",
		})
	}
	if err := p.checkHealth(ctx); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if _, err := p.client.Stage(ctx); conversation.IsKind(err, conversation.Invalid) {
		return errors.Join(append(errs, err)...)
	}
	_, err := p.client.Poll(ctx, p.types, 1)
	if err == nil {
		errs = append(errs, p.others(ctx))
	}
	return errors.Join(append(errs, p.keyed(err))...)
}

// checkHealth distinguishes a server that is not there, a web page and an API.
func (p *Platform) checkHealth(ctx context.Context) error {
	err := p.client.Health(ctx)
	var e *conversation.Error
	if !errors.As(err, &e) {
		return err
	}
	switch status := rest.StatusOf(err); {
	case status == 0 && errors.Is(err, rest.ErrWebPage):
		// Perhaps of a proxy, while Pulse starts: the remedy says what else it may be.
	case status == http.StatusNotFound:
		// Some other server, perhaps a compatible one: the next requests will show.
		return nil
	case status == 0 && e.Remedy == "" && ctx.Err() == nil:
		e.Remedy = "is Pulse running there? Check url, or PULSE_SERVER_URL"
	}
	return e
}

// keyed adds what a failure means on a route that needs the key.
func (p *Platform) keyed(err error) error {
	var e *conversation.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Kind == conversation.Unauthorized && len(p.client.api.Secrets) == 0:
		e.Remedy = "the server wants a key: set api_key, or PULSE_API_KEY, to the server's API_KEY"
	case rest.StatusOf(err) == http.StatusNotFound:
		e.Remedy = fmt.Sprintf("nothing like Pulse is at %s: check url", p.client.api.Base)
	}
	return err
}
