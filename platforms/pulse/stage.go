package pulse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// A Stage is a stage of Pulse's development. No setting says which one a
// server is: answers show what matters.
type Stage string

// The stages, oldest first.
const (
	// StageA has claims that exclude, a lease of 300 seconds and acknowledgements
	// that only the claimer may give. It knows neither execution ids nor expiry.
	StageA Stage = "A"
	// StageA2 has execution ids, claims that do not exclude, expiry and webhooks.
	StageA2 Stage = "A2"
	// StageB has a built-in worker and a route for results.
	StageB Stage = "B"
	// StageC can acknowledge recurring tasks and show a history.
	StageC Stage = "C"
)

// Stage finds out the server's stage from the routes it has. Kind NotFound: it does
// not show them.
func (c *Client) Stage(ctx context.Context) (Stage, error) {
	r := rest.Request{Op: "find out the stage", Method: http.MethodGet, Path: rest.Path("openapi.json")}
	var out struct {
		Paths map[string]any `json:"paths"`
	}
	if _, err := c.api.Call(ctx, r, &out); err != nil {
		if e := (*conversation.Error)(nil); errors.As(err, &e) && rest.StatusOf(err) == http.StatusNotFound {
			e.Kind = conversation.NotFound // also from a proxy: it is asked for information alone
		}
		return "", err
	}
	has := map[string]bool{}
	for route := range out.Paths {
		has[anonymous(route)] = true
	}
	switch {
	case !has["/tasks/{}/claim"] || !has["/tasks/{}/ack"]:
		return "", c.api.Fail(r, &conversation.Error{
			Kind: conversation.Invalid, Err: errors.New("the server has no routes to claim and acknowledge tasks"),
			Remedy: fmt.Sprintf("is %s a Pulse? Check url", c.api.Base),
		})
	case has["/tasks/{}/results"]:
		return StageC, nil
	case has["/tasks/{}/result"]:
		return StageB, nil
	case has["/meta/tools"]:
		return StageA2, nil
	}
	return StageA, nil
}

// anonymous is the route without its parameters' names.
func anonymous(route string) string {
	segments := strings.Split(route, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
		}
	}
	return strings.TrimSuffix(strings.Join(segments, "/"), "/")
}
