package workflows

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/internal/printable"
)

// Search attributes, to find conversations by. SearchAttributes lists them with
// their types. With a SQL database as its visibility store, a Temporal server has at most ten
// keywords in a namespace, and three attributes of each other type.
var (
	KeyPlatform   = temporal.NewSearchAttributeKeyKeyword("ParleyPlatform")
	KeyProject    = temporal.NewSearchAttributeKeyKeyword("ParleyProject")
	KeyAgent      = temporal.NewSearchAttributeKeyKeyword("ParleyAgent")
	KeySimulation = temporal.NewSearchAttributeKeyKeyword("ParleySimulation")
	KeyStatus     = temporal.NewSearchAttributeKeyKeyword("ParleyStatus")
	KeyOutcome    = temporal.NewSearchAttributeKeyKeyword("ParleyOutcome")
	KeyEndedBy    = temporal.NewSearchAttributeKeyKeyword("ParleyEndedBy")
	KeyTurns      = temporal.NewSearchAttributeKeyInt64("ParleyTurns")
	KeyExecution  = temporal.NewSearchAttributeKeyKeyword("ParleyExecution") // of a task

	// KeyPersona is a short description of the other side. It is set only where payloads are
	// not encrypted: see ConversationInput.ShowPersona.
	KeyPersona = temporal.NewSearchAttributeKeyString("ParleyPersona")
	// KeyExecutor and KeyModel are the executors and models that have replied.
	KeyExecutor = temporal.NewSearchAttributeKeyKeywordList("ParleyExecutor")
	KeyModel    = temporal.NewSearchAttributeKeyKeywordList("ParleyModel")
	// KeyTokens is the number of input and output tokens so far.
	KeyTokens = temporal.NewSearchAttributeKeyInt64("ParleyTokens")
	// KeyCost is the money spent so far, in units of the currency of the executor's prices.
	// It is absent without prices.
	KeyCost = temporal.NewSearchAttributeKeyFloat64("ParleyCost")
)

// SearchAttributes lists what must be registered on the namespace.
func SearchAttributes() []temporal.SearchAttributeKey {
	return []temporal.SearchAttributeKey{
		KeyPlatform, KeyProject, KeyAgent, KeySimulation, KeyStatus, KeyOutcome, KeyEndedBy, KeyTurns, KeyExecution,
		KeyPersona, KeyExecutor, KeyModel, KeyTokens, KeyCost,
		KeyReason, KeySince,
	}
}

const (
	// maxPersona and maxListed bound texts of other parties in search attributes, in bytes.
	maxPersona = 200
	maxListed  = 100
	// maxReplied bounds how many executors, and how many models, are listed.
	maxReplied = 8
)

// storable replaces what PostgreSQL's tsvector, the type of Temporal's text attributes there,
// takes for its own syntax: it refuses other uses, and the server then repeats the write
// forever. The replacements look alike.
var storable = strings.NewReplacer("'", "\u2019", ":", "\u2236", `\`, "\u2216")

// PersonaText is a description of the other side as the value of KeyPersona: one line of
// at most 200 bytes, without invisible characters. Empty: there is none.
func PersonaText(summary string) string {
	return printable.Clip(storable.Replace(printable.Name(summary, maxPersona)), maxPersona)
}

// replied are the executors and the models that have replied, in the order of their first
// reply.
type replied struct{ executors, models []string }

func (r *replied) add(executor, model string) {
	r.executors, r.models = listed(r.executors, executor), listed(r.models, model)
}

// listed adds a name to a list.
func listed(list []string, name string) []string {
	name = printable.Name(name, maxListed)
	if name == "" || len(list) >= maxReplied || slices.Contains(list, name) {
		return list
	}
	return append(slices.Clip(list), name)
}

// attributes collects changes of search attributes.
type attributes struct {
	have    map[temporal.SearchAttributeKey]any
	all     bool // also what has not changed
	updates []temporal.SearchAttributeUpdate
}

// set adds an update, unless the attribute has the value already.
func (a *attributes) set(key temporal.SearchAttributeKey, update temporal.SearchAttributeUpdate) {
	after := temporal.NewSearchAttributes(update).GetUntypedValues()[key]
	if a.all || !reflect.DeepEqual(a.have[key], after) {
		a.updates = append(a.updates, update)
	}
}

// upsertState makes the conversation's state visible in lists.
func (r *run) upsertState(ctx workflow.Context) {
	logUpsert(ctx, r.upsertAll(ctx, r.state, r.transcript.turn(), nil))
}

// progressEvery is how seldom turns, tokens and cost are made visible while the state of the
// conversation stays the same: an event each time.
const progressEvery = 30 * time.Second

// upsertProgress makes a delivered turn visible in lists, not before edition 2.
func (r *run) upsertProgress(ctx workflow.Context) {
	if r.in.Edition >= 2 && workflow.Now(ctx).Sub(r.upserted) >= progressEvery {
		r.upsertState(ctx)
	}
}

// upsert records attributes apart from the state.
func (r *run) upsert(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) {
	logUpsert(ctx, workflow.UpsertTypedSearchAttributes(ctx, updates...))
}

func logUpsert(ctx workflow.Context, err error) {
	if err != nil {
		workflow.GetLogger(ctx).Error("upsert search attributes", "error", err)
	}
}

func (r *run) upsertOutcome(ctx workflow.Context) error {
	return r.upsertAll(ctx, StateClosed, r.outcome.Turns, func(a *attributes) {
		a.set(KeyOutcome, KeyOutcome.ValueSet(string(r.outcome.Kind)))
		if r.outcome.EndedBy != "" {
			a.set(KeyEndedBy, KeyEndedBy.ValueSet(string(r.outcome.EndedBy)))
		}
	})
}

// upsertAll records the search attributes that have changed, in one event. more may be nil.
func (r *run) upsertAll(ctx workflow.Context, s State, turns int, more func(*attributes)) error {
	a := attributes{have: workflow.GetTypedSearchAttributes(ctx).GetUntypedValues(), all: r.in.Edition < 2}
	a.set(KeyStatus, KeyStatus.ValueSet(string(s)))
	if more != nil {
		more(&a)
	}
	a.set(KeyTurns, KeyTurns.ValueSet(int64(turns)))
	if r.in.Edition >= 2 {
		r.addSpeakers(&a)
		r.addWait(&a, s)
	}
	r.upserted = workflow.Now(ctx)
	if len(a.updates) == 0 {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(ctx, a.updates...)
}

// addSpeakers adds who speaks and what it has cost.
func (r *run) addSpeakers(a *attributes) {
	if persona := PersonaText(r.about.Persona.Summary); persona != "" && r.in.ShowPersona {
		a.set(KeyPersona, KeyPersona.ValueSet(persona))
	}
	if len(r.replied.executors) > 0 {
		a.set(KeyExecutor, KeyExecutor.ValueSet(r.replied.executors))
	}
	if len(r.replied.models) > 0 {
		a.set(KeyModel, KeyModel.ValueSet(r.replied.models))
	}
	used := r.usage.total
	if tokens := used.InputTokens + used.OutputTokens; tokens > 0 {
		a.set(KeyTokens, KeyTokens.ValueSet(tokens))
	}
	if used.Cost > 0 {
		a.set(KeyCost, KeyCost.ValueSet(float64(used.Cost)/1e6))
	}
}
