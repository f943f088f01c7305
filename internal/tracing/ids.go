package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/workflow"
)

// TraceID is the id of a conversation's trace. firstRun is the id of the first run of its
// workflow.
func TraceID(firstRun string) trace.TraceID {
	sum := sha256.Sum256([]byte("parley trace\x00" + firstRun))
	return trace.TraceID(sum[:16])
}

// rootID is the id of a trace's root. seed is the id of the workflow's first run, or of
// the run that was reset since.
func rootID(seed string) trace.SpanID {
	sum := sha256.Sum256([]byte("parley conversation\x00" + seed))
	return trace.SpanID(sum[:8])
}

// spanID is the id of a span that workflow code makes. n tells those apart that have the
// same name and begin at the same time.
func spanID(run, name string, start int64, n int) trace.SpanID {
	b := []byte("parley span\x00" + run + "\x00" + name + "\x00")
	b = binary.BigEndian.AppendUint64(b, uint64(start))
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(n)))
	return trace.SpanID(sum[:8])
}

// IDs is the generator of ids that a provider needs, see [Tracing]: it gives a span the
// ids that its context asks for. All others are random.
type IDs struct{}

type idsKey struct{}

type wantedIDs struct {
	trace trace.TraceID
	span  trace.SpanID
}

// withIDs has the next span that is started with the context, directly, have these ids.
func withIDs(ctx context.Context, of trace.SpanContext) context.Context {
	return context.WithValue(ctx, idsKey{}, wantedIDs{of.TraceID(), of.SpanID()})
}

// NewIDs returns the ids of a span without a parent.
func (IDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if wanted, ok := ctx.Value(idsKey{}).(wantedIDs); ok {
		return wanted.trace, wanted.span
	}
	var id trace.TraceID
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id, randomSpanID()
}

// NewSpanID returns the id of a span with a parent.
func (IDs) NewSpanID(ctx context.Context, of trace.TraceID) trace.SpanID {
	if wanted, ok := ctx.Value(idsKey{}).(wantedIDs); ok && wanted.trace == of {
		return wanted.span
	}
	return randomSpanID()
}

func randomSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

// identity is what the ids of a run's trace are made of.
type identity struct {
	firstRun, seed, run string
	reset               bool
}

// identify reads a run's identity. carried is the seed that the run before it has left. A
// run that was reset gets a root of its own in the trace of the original: that one may
// have ended, and its root been exported.
func identify(ctx workflow.Context, carried string) identity {
	info := workflow.GetInfo(ctx)
	id := identity{firstRun: info.FirstRunID, run: info.WorkflowExecution.RunID}
	if id.firstRun == "" {
		id.firstRun = id.run
	}
	switch original := info.OriginalRunID; {
	case original != "" && original != id.run:
		id.seed, id.reset = id.run, true
	case carried != "":
		id.seed = carried
	default:
		id.seed = id.firstRun
	}
	return id
}
