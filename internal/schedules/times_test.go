package schedules_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/schedules"
)

func TestEvery(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		interval time.Duration
		cron     string
	}{
		"30m":                    {interval: 30 * time.Minute},
		"1h30m":                  {interval: 90 * time.Minute},
		"2d":                     {interval: 48 * time.Hour},
		"every 30 seconds":       {interval: 30 * time.Second},
		"hour":                   {interval: time.Hour},
		"hourly":                 {interval: time.Hour},
		"2 weeks":                {interval: 14 * 24 * time.Hour},
		"day at 9am":             {cron: "0 9 * * *"},
		"daily at 9am":           {cron: "0 9 * * *"},
		"1w":                     {interval: 7 * 24 * time.Hour},
		"90s":                    {interval: 90 * time.Second},
		"1d12h":                  {interval: 36 * time.Hour},
		"Every Weekday at 18:30": {cron: "30 18 * * 1-5"},
		"weekend day at 12pm":    {cron: "0 12 * * 0,6"},
		"monday at 9":            {cron: "0 9 * * 1"},
	} {
		interval, cron, err := schedules.Every(text)
		require.NoError(t, err, text)
		require.Equal(t, want.interval, interval, text)
		require.Equal(t, want.cron, cron, text)
	}
	for text, want := range map[string]string{
		"":                   "cannot read --every",
		"500ms":              "at least 1",
		"-1h":                "at least 1",
		"0s":                 "at least 1",
		"1500ms":             "whole number",
		"day":                "", // an interval of a day
		"day at 25:00":       "time of day",
		"day at 9am sharp":   "time of day",
		"monday at 9:30:15":  "time of day",
		"fortnight":          "cannot read --every",
		"0 9 * * *":          "cannot read --every",
		"second monday at 9": "cannot read --every",
	} {
		_, _, err := schedules.Every(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
		require.Equal(t, records.Malformed, records.KindOf(err), text)
	}
}

// TestCheckCron: what Temporal takes, and no other.
func TestCheckCron(t *testing.T) {
	t.Parallel()
	for _, expression := range cronGood {
		require.NoError(t, schedules.CheckCron(expression), expression)
	}
	for expression, want := range cronBad {
		require.ErrorContains(t, schedules.CheckCron(expression), want, expression)
	}
}

var cronGood = []string{
	"0 9 * * *", "*/5 * * * *", "0 9 * * MON-FRI", "0 9 * JUL WED", "0 9 * * 7", "0 9 * * 5-7", "0 9 1,15 * *", "0 9 * jan *",
	"0 9 * * * 2030", "0 9 * * * 2030-2035/2", "30 0 9 * * * *", "*/10 * * * * * 2030", "@daily", "@hourly", "  0   9 * * *  ",
	"0 9/2 * * *",
}

var cronBad = map[string]string{
	"":                                      "0 fields",
	"0 9 * *":                               "4 fields",
	"0 0 0 9 * * * *":                       "8 fields",
	"60 9 * * *":                            "above maximum",
	"0 24 * * *":                            "above maximum",
	"0 9 0 * *":                             "below minimum",
	"0 9 * * 8":                             "above maximum",
	"0 9 * * 5-2":                           "beyond end",
	"*/0 * * * *":                           "step",
	"x * * * *":                             "parse",
	"0 9 ? * *":                             "knows no",
	"0 9 L * *":                             "parse",
	"0 9 * * 1#2":                           "knows no",
	"TZ=UTC 0 9 * * *":                      "--timezone",
	"CRON_TZ=UTC 0 9 * * *":                 "--timezone",
	"@every 5m":                             "--every",
	"@reboot":                               "1 fields",
	"0 9 * * * 30":                          "year",
	strings.Repeat("1,", 100) + "1 9 * * *": "longer",
}

func TestPlanFaults(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	minus := -1
	for name, test := range map[string]struct {
		change func(*schedules.Plan)
		want   string
	}{
		"no name":             {func(p *schedules.Plan) { p.Name = "" }, "needs a name"},
		"slash":               {func(p *schedules.Plan) { p.Name = "a/b" }, "use letters"},
		"space":               {func(p *schedules.Plan) { p.Name = "a b" }, "use letters"},
		"begins with a dash":  {func(p *schedules.Plan) { p.Name = "-a" }, "a letter or a digit first"},
		"long":                {func(p *schedules.Plan) { p.Name = strings.Repeat("x", 101) }, "at most 100"},
		"agent with a slash":  {func(p *schedules.Plan) { p.Agent = "a/b" }, "must not contain"},
		"no times":            {func(p *schedules.Plan) { p.Times = schedules.Times{} }, "the time is missing"},
		"two kinds":           {func(p *schedules.Plan) { p.Times.Cron = []string{"@daily"} }, "give one of"},
		"zone":                {func(p *schedules.Plan) { p.Times.Zone = "Mars" }, "unknown time zone"},
		"offset of cron":      {func(p *schedules.Plan) { p.Times = schedules.Times{Cron: []string{"@daily"}, Offset: 1} }, "--offset goes with"},
		"offset of a day":     {func(p *schedules.Plan) { p.Times = schedules.Times{Every: "day at 9", Offset: 1} }, "has a time of day"},
		"offset too long":     {func(p *schedules.Plan) { p.Times.Offset = time.Hour }, "less than the interval"},
		"jitter":              {func(p *schedules.Plan) { p.Times.Jitter = -1 }, "negative"},
		"twice at once":       {func(p *schedules.Plan) { p.Times, p.Rules.Times = schedules.Times{At: "in 1 hour"}, 2 }, "runs once"},
		"now but not":         {func(p *schedules.Plan) { p.Times, p.Paused = schedules.Times{At: "now"}, true }, "exclude each other"},
		"catch up":            {func(p *schedules.Plan) { p.Rules.CatchUp = time.Second }, "at least 10s"},
		"overlap":             {func(p *schedules.Plan) { p.Rules.Overlap = "both" }, "unknown overlap"},
		"nothing to do":       {func(p *schedules.Plan) { p.Task = schedules.Task{} }, "the task is missing"},
		"params":              {func(p *schedules.Plan) { p.Task.Params = "[]" }, "--params is not a JSON object"},
		"null params":         {func(p *schedules.Plan) { p.Task.Params = "null" }, "--params is not a JSON object"},
		"payload":             {func(p *schedules.Plan) { p.Task.Payload = "{" }, "--payload is not a JSON object"},
		"payload's types":     {func(p *schedules.Plan) { p.Task.Payload = `{"agent_id": {}}` }, "agent_id"},
		"args":                {func(p *schedules.Plan) { p.Task.Args = "{}" }, "--args is not a JSON list"},
		"too much":            {func(p *schedules.Plan) { p.Task.Message = strings.Repeat("x", 2<<20) }, "at most 900 are possible"},
		"callback":            {func(p *schedules.Plan) { p.Task.Callback = "ftp://example.com" }, "not an address"},
		"callback's password": {func(p *schedules.Plan) { p.Task.Callback = "https://u:p@example.com" }, "must not contain a password"},
		"retries of none":     {func(p *schedules.Plan) { p.Task.CallbackTimeout = 1 }, "go with --callback"},
		"negative retries":    {func(p *schedules.Plan) { p.Task.Callback, p.Task.CallbackRetries = "https://example.com", &minus }, "negative"},
		"timeout":             {func(p *schedules.Plan) { p.Task.Timeout = -1 }, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := schedules.Plan{Name: "report", Agent: "support", Times: schedules.Times{Every: "30m"}, Task: schedules.Task{Message: "hello"}}
			require.NoError(t, p.Check(now))
			test.change(&p)
			err := p.Check(now)
			require.ErrorContains(t, err, test.want)
			require.Equal(t, records.Malformed, records.KindOf(err))
		})
	}
}
