package a2a

import (
	"errors"
	"net/http"
	"slices"

	"github.com/parley-run/parley/executors/internal/modelcall"
)

// inEither tries a request in the agent's version of the protocol. If the agent does
// not know that version, it has done nothing, and the request is tried in the other
// one. What worked is remembered with the card.
func (x *exchange) inEither(try func() error) error {
	mine := x.agent
	err := try()
	other := mine.turned()
	if other == nil || x.heard || !x.unknown(err) {
		x.learn(err)
		return err
	}
	x.agent = other
	second := try()
	if x.unknown(second) {
		x.agent = mine
		return err
	}
	x.learn(second)
	return second
}

// unknown reports whether the agent refused the request before it did anything. Some
// agents call an unknown method an invalid request, as others a task that has ended.
// A card may name an address for a version that is not served.
func (x *exchange) unknown(err error) bool {
	var f *fault
	switch {
	case unknownRequest(err):
		return true
	case errors.As(err, &f) && f.Code == codeInvalidRequest:
		return x.memory.Task == ""
	}
	r := x.agent.routes
	return len(r) == 2 && *r[0].endpoint != *r[1].endpoint && notServed(err)
}

// notServed reports whether there is no agent at the address.
func notServed(err error) bool {
	status := 0
	if e, ok := modelcall.IsForeign(err); ok {
		status = e.Status
	}
	if e := (*statusError)(nil); errors.As(err, &e) {
		status = e.status
	}
	return slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone}, status) && !isTaskNotFound(err)
}

// learn keeps the agent's version, and that it does not stream, until the card is
// read again.
func (x *exchange) learn(err error) {
	if err == nil && x.agent.card != nil && x.cards.get() != x.agent {
		x.cards.set(x.agent)
	}
}
