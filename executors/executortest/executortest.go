// Package executortest holds the contract that every executor keeps, as tests.
// A backend's own tests call [Run] with a [Fixture]. The package also has
// [Fake], an executor for the tests of everything that uses one.
package executortest

import (
	"testing"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// A Fixture is how the suite gets at a backend.
type Fixture struct {
	// New returns an executor that works. Every case asks for one of its own.
	New func(t *testing.T) executors.Executor
	// Model means that the backend calls a model: it reports calls and says who
	// answered.
	Model bool
	// Stall returns an executor whose other side has taken the request and never
	// answers. Nil: the backend has no other side.
	Stall func(t *testing.T) executors.Executor
	// Fail returns an executor whose other side fails in the way wanted, or nil
	// if this backend cannot fail so; the case is skipped then. Nil: it cannot
	// fail at all.
	Fail func(t *testing.T, want Failure) executors.Executor
	// Calls returns an executor whose model makes these calls when it is first asked,
	// whether tools are offered or not. Once it has been sent the results it says
	// them, "ID CONTENT", each on a line. Nil: the backend offers no tools to a model,
	// and the cases about them are left out.
	Calls func(t *testing.T, calls []ToolCall) executors.Executor
	// Secrets are the keys the executors were made with. They must not appear in
	// any error nor in an executor printed with fmt.
	Secrets []string
}

// A Failure is one way to fail that the suite asks for.
type Failure struct {
	// Name is the case's name.
	Name string
	Kind conversation.Kind
	// RetryAfter is what the other side asks to wait, and what the error must
	// say. Zero: nothing said.
	RetryAfter time.Duration
}

// Failures are the ways to fail that the suite asks for.
func Failures() []Failure {
	return []Failure{
		{Name: "RateLimited", Kind: conversation.RateLimited},
		{Name: "RateLimitedWithDelay", Kind: conversation.RateLimited, RetryAfter: 7 * time.Second},
		{Name: "QuotaExhausted", Kind: conversation.QuotaExhausted},
		{Name: "Unauthorized", Kind: conversation.Unauthorized},
		{Name: "Unavailable", Kind: conversation.Unavailable},
		{Name: "ContextTooLong", Kind: conversation.ContextTooLong},
		{Name: "Refused", Kind: conversation.Refused},
		{Name: "Invalid", Kind: conversation.Invalid},
	}
}

// Run tests the contract. Each case is one sentence of it.
func Run(t *testing.T, f Fixture) {
	t.Helper()
	s := suite{Fixture: f}
	type clause struct {
		name string
		test func(*testing.T)
	}
	clauses := []clause{
		{"OpensWhenThereAreNoMessages", s.opens},
		{"AnswersWithAnAssistantMessage", s.answers},
		{"SaysWhoAnsweredAndWhatItCost", s.reports},
		{"TakesEveryRoleAndPart", s.rolesAndParts},
		{"CarriesAConversation", s.carries},
		{"AnswersAgainForTheSameRequest", s.repeats},
		{"WorksWithoutItsState", s.losesState},
		{"LeavesTheRequestAlone", s.leavesRequest},
		{"DeltasAddUpToTheReply", s.deltas},
		{"IsSafeForConcurrentUse", s.concurrent},
		{"ReturnsWhenTheContextIsDoneBefore", s.doneBefore},
		{"ReturnsWhenTheContextIsCancelled", s.cancelled},
		{"ReturnsWhenTheDeadlinePasses", s.deadline},
		{"ChecksWithoutMuchAdo", s.checks},
		{"KeepsSecretsOutOfPrint", s.printed},
		{"Fails", s.fails},
	}
	if f.Calls != nil {
		clauses = append(clauses, []clause{
			{"CallsATool", s.callsTool},
			{"SendsResultsOfTools", s.sendsResults},
			{"CallsToolsInParallel", s.callsInParallel},
			{"SendsFaultsOfTools", s.sendsFaults},
			{"GoesOnAfterTools", s.goesOnAfterTools},
			{"SurvivesBrokenArguments", s.brokenArguments},
			{"CallsOnlyWhatIsOffered", s.callsOnlyWhatIsOffered},
		}...)
	}
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

type suite struct{ Fixture }
