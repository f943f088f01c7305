package tracing_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/tracing"
)

// traced runs a workflow with one activity, and returns its spans.
func traced(t *testing.T, options []sdktrace.TracerProviderOption, text bool, activity func(context.Context) error) tracetest.SpanStubs {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	tr := tracing.New(sdktrace.NewTracerProvider(append(options, sdktrace.WithSyncer(spans))...), tracing.Options{Text: text})
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{tr.WorkerInterceptor()}})
	env.RegisterActivity(activity)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		start := workflow.Now(ctx)
		ctx = tracing.Enter(ctx)
		inside, span := tracing.Begin(ctx, tracing.SpanTurn, "desk")
		options := workflow.ActivityOptions{StartToCloseTimeout: time.Second}
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(inside, options), activity).Get(ctx, nil)
		span.End(ctx)
		tracing.Leave(ctx, start, "")
		return err
	})
	require.True(t, env.IsWorkflowCompleted())
	return spans.GetSpans()
}

func reply(ctx context.Context) error {
	_, span := tracing.Start(ctx, tracing.SpanReply, "gpt", trace.SpanKindClient)
	span.End()
	return nil
}

func byName(spans tracetest.SpanStubs) map[string]tracetest.SpanStub {
	out := map[string]tracetest.SpanStub{}
	for _, s := range spans {
		out[s.Name] = s
	}
	return out
}

func TestTree(t *testing.T) {
	t.Parallel()
	spans := traced(t, []sdktrace.TracerProviderOption{sdktrace.WithIDGenerator(tracing.IDs{})}, false, reply)
	require.Len(t, spans, 3)
	named := byName(spans)
	root, turn, chat := named["conversation"], named["invoke_agent desk"], named["chat gpt"]
	require.False(t, root.Parent.IsValid())
	require.Equal(t, root.SpanContext.SpanID(), turn.Parent.SpanID())
	require.Equal(t, turn.SpanContext.SpanID(), chat.Parent.SpanID())
	require.Equal(t, "github.com/parley-run/parley", root.InstrumentationScope.Name)
	again := byName(traced(t, []sdktrace.TracerProviderOption{sdktrace.WithIDGenerator(tracing.IDs{})}, false, reply))
	require.Equal(t, root.SpanContext.TraceID(), again["conversation"].SpanContext.TraceID(), "the ids follow from the run's")
}

// A provider with ids of its own: one trace all the same, without a level for turns.
func TestForeignIDs(t *testing.T) {
	t.Parallel()
	spans := traced(t, nil, false, reply)
	require.Len(t, spans, 3)
	for _, s := range spans {
		require.Equal(t, spans[0].SpanContext.TraceID(), s.SpanContext.TraceID())
		require.Equal(t, spans[0].Parent.SpanID(), s.Parent.SpanID(), s.Name)
	}
}

func TestUnsampled(t *testing.T) {
	t.Parallel()
	require.Empty(t, traced(t, []sdktrace.TracerProviderOption{
		sdktrace.WithIDGenerator(tracing.IDs{}), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())),
	}, true, reply))
}

// What others call things stays short and on one line; what they say in errors is left out.
func TestHostileNamesAndErrors(t *testing.T) {
	t.Parallel()
	name := "a\x1b[31m\nb\u202e" + strings.Repeat("x", 1000)
	spans := traced(t, []sdktrace.TracerProviderOption{sdktrace.WithIDGenerator(tracing.IDs{})}, false, func(ctx context.Context) error {
		_, span := tracing.Start(ctx, tracing.SpanTool, name, trace.SpanKindInternal, tracing.Of(conversation.Ref{Platform: name, ID: name, Agent: name})...)
		span.Fail(&conversation.Error{Kind: conversation.Unavailable, Op: "tool", Err: errors.New("503: " + conversation.Quote("my secret"))})
		span.Input([]conversation.Message{conversation.Text(conversation.RoleUser, "my secret")})
		span.End()
		return nil
	})
	for _, s := range spans {
		data, err := json.Marshal(s.Attributes)
		require.NoError(t, err)
		for _, text := range []string{s.Name, string(data), s.Status.Description} {
			require.NotContains(t, text, "\x1b")
			require.NotContains(t, text, "\n")
			require.NotContains(t, text, "\u202e")
			require.NotContains(t, text, "secret")
		}
		require.Less(t, len(s.Name), 150)
		if strings.HasPrefix(s.Name, tracing.SpanTool) {
			require.Equal(t, "tool: 503: “…”", s.Status.Description)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("y", 100<<10)
	value := func(messages ...conversation.Message) map[string]string {
		out := map[string]string{}
		spans := traced(t, []sdktrace.TracerProviderOption{sdktrace.WithIDGenerator(tracing.IDs{})}, true, func(ctx context.Context) error {
			_, span := tracing.Start(ctx, tracing.SpanReply, "gpt", trace.SpanKindClient)
			span.Input(messages)
			span.Output(messages[len(messages)-1], "stop")
			span.End()
			return nil
		})
		for _, a := range byName(spans)["chat gpt"].Attributes {
			out[string(a.Key)] = a.Value.String()
		}
		return out
	}
	call := conversation.Message{Role: conversation.RoleAssistant, Parts: []conversation.Part{{
		Type: conversation.PartToolCall, ToolCall: &conversation.ToolCall{ID: "c1", Name: "rate", Arguments: json.RawMessage(`{"n":1}`)},
	}}}
	result := conversation.ToolResultMessage(conversation.ToolResult{CallID: "c1", Content: "done"})
	small := value(conversation.Text(conversation.RoleUser, "Hi"), call, result, conversation.Text(conversation.RoleAssistant, "There"))
	require.JSONEq(t, `[
		{"role":"user","parts":[{"type":"text","content":"Hi"}]},
		{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"rate","arguments":{"n":1}}]},
		{"role":"tool","parts":[{"type":"tool_call_response","id":"c1","response":"done"}]},
		{"role":"assistant","parts":[{"type":"text","content":"There"}]}
	]`, small["gen_ai.input.messages"])
	require.JSONEq(t, `[{"role":"assistant","parts":[{"type":"text","content":"There"}],"finish_reason":"stop"}]`, small["gen_ai.output.messages"])
	require.Empty(t, small["parley.messages.omitted"])

	var many []conversation.Message
	for range 20 {
		many = append(many, conversation.Text(conversation.RoleUser, huge))
	}
	large := value(many...)
	require.Less(t, len(large["gen_ai.input.messages"]), 65<<10)
	require.True(t, json.Valid([]byte(large["gen_ai.input.messages"])))
	require.NotEmpty(t, large["parley.messages.omitted"])
}

// Spans of workflow code wait until Temporal has recorded the task that made them.
func TestRecordedTasksOnly(t *testing.T) {
	t.Parallel()
	lost := serviceerror.NewNotFound("the task is over")
	down := serviceerror.NewUnavailable("later")
	for name, row := range map[string]struct {
		answers []error // to the results of the task
		failed  bool    // the task fails
		spans   int
	}{
		"recorded":                     {answers: []error{nil}, spans: 1},
		"recorded at the second try":   {answers: []error{down, nil}, spans: 1},
		"refused":                      {answers: []error{lost}},
		"failed":                       {failed: true},
		"recorded, and answered twice": {answers: []error{nil, nil}, spans: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans := tracetest.NewInMemoryExporter()
			tr := tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithIDGenerator(tracing.IDs{})), tracing.Options{})
			tr.Connect(&client.Options{})
			call := func(req, reply any, answer error) {
				err := tr.Intercept(t.Context(), "", req, reply, nil,
					func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return answer })
				require.Equal(t, answer, err)
			}
			task := func(token string) {
				call(&workflowservice.PollWorkflowTaskQueueRequest{}, &workflowservice.PollWorkflowTaskQueueResponse{
					TaskToken: []byte(token), WorkflowExecution: &commonpb.WorkflowExecution{RunId: "run"},
				}, nil)
				tr.Finish("run", tracing.SpanTurn)
				require.Empty(t, spans.GetSpans())
			}
			task("1") // a task whose end is not seen: its spans count for nothing
			task("2")
			if row.failed {
				call(&workflowservice.RespondWorkflowTaskFailedRequest{TaskToken: []byte("2")}, nil, nil)
			}
			for _, answer := range row.answers {
				call(&workflowservice.RespondWorkflowTaskCompletedRequest{TaskToken: []byte("2")}, &workflowservice.RespondWorkflowTaskCompletedResponse{}, answer)
			}
			require.Len(t, spans.GetSpans(), row.spans)
		})
	}
}
