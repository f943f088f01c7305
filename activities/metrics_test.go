package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/platforms"
)

// measured lists what was counted, as "name{attribute=value,…} n", in order. Times are
// left out of histograms, whose n is how many values they have.
func measured(t *testing.T, reader *sdkmetric.ManualReader) []string {
	t.Helper()
	var found metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &found))
	var all []string
	for _, scope := range found.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					all = append(all, fmt.Sprintf("%s{%s} %d", m.Name, p.Attributes.Encoded(attribute.DefaultEncoder()), p.Value))
				}
			case metricdata.Histogram[float64]:
				require.Equal(t, "s", m.Unit, m.Name)
				for _, p := range data.DataPoints {
					all = append(all, fmt.Sprintf("%s{%s} %d", m.Name, p.Attributes.Encoded(attribute.DefaultEncoder()), p.Count))
				}
			}
			require.NotEmpty(t, m.Description, m.Name)
		}
	}
	sort.Strings(all)
	return all
}

// Dashboards and alerts are written against these names and attributes. No text of a
// conversation, no id, no token and no error's text is among them.
func TestMetricsOfAConversation(t *testing.T) {
	t.Parallel()
	const secret = "s3cret"
	reader := sdkmetric.NewManualReader()
	metrics, err := activities.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	require.NoError(t, err)
	s := newSteps()
	s.cfg.Metrics = metrics
	s.model.Reply = func(_ context.Context, req executors.Request) (executors.Result, error) {
		if req.Turn == 2 {
			return executors.Result{}, &conversation.Error{Kind: conversation.RateLimited, Op: secret, Err: errors.New(secret)}
		}
		return executors.Result{
			Message: agent(secret), Model: "model-1", Usage: conversation.Usage{InputTokens: 11, OutputTokens: 7, Calls: 1}, State: json.RawMessage(`"` + secret + `"`),
		}, nil
	}
	a, err := activities.NewConversation(s.cfg)
	require.NoError(t, err)
	for turn := range 2 {
		_, err := run[activities.ReplyResult](t, newEnvOf(t, a), a.Reply, activities.ReplyInput{Ref: ref, Turn: turn + 1, New: []conversation.Message{persona(secret)}})
		require.Equal(t, turn == 1, err != nil)
	}
	tool := activities.CallToolInput{Ref: ref, Turn: 1, Call: activities.PlannedCall{Set: "shop", Name: "buy", Arguments: json.RawMessage(`"` + secret + `"`)}}
	for range 2 { // the second joins what the first has done
		_, err = run[activities.CallToolResult](t, newEnvOf(t, a), a.CallTool, tool)
		require.NoError(t, err)
	}
	in := activities.ExchangeInput{Ref: ref, Messages: []conversation.Message{agent(secret)}}
	_, err = run[activities.ExchangeResult](t, newEnvOf(t, a), a.Exchange, in)
	require.NoError(t, err)
	in.Tried = &activities.Mark{Time: time.Now(), Answered: true}
	_, err = run[activities.ExchangeResult](t, newEnvOf(t, a), a.Exchange, in) // its answer was lost
	require.NoError(t, err)
	in.Before = 2
	_, err = run[activities.ExchangeResult](t, newEnvOf(t, a), a.Exchange, in) // and here it had no effect
	require.NoError(t, err)

	got := measured(t, reader)
	require.Equal(t, []string{
		"parley.calls.joined{step=tool} 1",
		"parley.exchange.duration{platform=fake} 2",
		"parley.exchange.recoveries{} 1",
		"parley.exchange.resends{} 1",
		"parley.failures{kind=RateLimited,step=reply} 1",
		"parley.reply.duration{executor=resolved,model=model-1} 1",
		"parley.retries{kind=RateLimited,step=reply} 1",
		"parley.tokens{direction=input,executor=resolved,model=model-1} 11",
		"parley.tokens{direction=output,executor=resolved,model=model-1} 7",
		"parley.tool.duration{error=false,set=shop,tool=buy} 1",
	}, got)
	require.NotContains(t, strings.Join(got, "\n"), secret)
}

// What the cache of transcripts saves is measured.
func TestMetricsOfTheCache(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	metrics, err := activities.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	require.NoError(t, err)
	fake := &executortest.Fake{}
	e := newEnvWith(t, activities.Config{
		Platforms: map[string]platforms.Instance{"fake": {Platform: &fakePlatform{}}}, Executors: oneExecutor{fake}, Metrics: metrics,
		Transcripts: &transcripts{messages: []conversation.Message{persona("1"), agent("2")}},
	})
	first := []conversation.Message{persona("1")}
	out, err := run[activities.ReplyResult](t, e, e.activities.Reply, activities.ReplyInput{Ref: ref, Turn: 1, New: first})
	require.NoError(t, err, "nothing came before: nothing is looked up")
	in := activities.ReplyInput{Ref: ref, Turn: 2, Before: 2, Digest: activities.Digest(activities.Digest("", first...), out.Message), New: []conversation.Message{persona("3")}}
	_, err = run[activities.ReplyResult](t, e, e.activities.Reply, in)
	require.NoError(t, err)
	in.Digest = "another transcript"
	_, err = run[activities.ReplyResult](t, e, e.activities.Reply, in)
	require.NoError(t, err)
	got := measured(t, reader)
	require.Contains(t, got, "parley.transcript.lookups{hit=true} 1")
	require.Contains(t, got, "parley.transcript.lookups{hit=false} 1")
}
