package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
)

// What operators may do depends on what the conversation does.
func TestUpdatesThatAreRefused(t *testing.T) {
	t.Parallel()
	over := func(r *run) {
		r.outcome = &conversation.Outcome{Kind: conversation.OutcomeEnded, EndedBy: conversation.EndedByAgent}
	}
	ending := func(r *run) { r.state = StateEnding }
	toEnd := func(r *run) { r.wishes.end = &EndRequest{} }
	held := func(r *run) { r.claim.held = true }
	end := func(r *run) error { return r.mayEnd(nil, EndRequest{}) }
	pause := func(r *run) error { return r.mayPause(nil, PauseRequest{}) }
	resume := func(r *run) error { return r.mayResume(nil, ResumeRequest{}) }
	approve := func(r *run) error { return r.mayApprove(nil, ApproveRequest{Digest: "d1"}) }
	decide := func(req ApproveRequest) func(*run) error {
		return func(r *run) error { return r.mayApprove(nil, req) }
	}
	waits := func(r *run) { r.approvals = approvals{{Approval: Approval{CallID: "1", Tool: "buy", Digest: "d1"}}} }
	takeover := func(req TakeoverRequest) func(*run) error {
		return func(r *run) error { return r.mayTakeover(nil, req) }
	}
	for name, tt := range map[string]struct {
		run  func(*run)
		may  func(*run) error
		want string // empty: it is accepted
	}{
		"End":                 {run: held, may: end},
		"EndOver":             {over, end, "the conversation is over: ended by agent"},
		"EndEnding":           {ending, end, "is being ended"},
		"EndTwice":            {toEnd, end, "is being ended"},
		"Pause":               {run: held, may: pause},
		"PauseOver":           {over, pause, "is over"},
		"PauseTwice":          {func(r *run) { r.wishes.paused = &Attention{} }, pause, "paused already"},
		"ResumePaused":        {run: func(r *run) { r.wishes.paused = &Attention{} }, may: resume},
		"ResumeParked":        {run: func(r *run) { r.attention = &Attention{} }, may: resume},
		"ResumeNothing":       {held, resume, "nothing to resume"},
		"ResumeEnding":        {toEnd, resume, "is being ended"},
		"Takeover":            {run: held, may: takeover(TakeoverRequest{Text: "mine"})},
		"TakeoverEnd":         {run: held, may: takeover(TakeoverRequest{End: true})},
		"TakeoverNoText":      {held, takeover(TakeoverRequest{Text: " "}), "needs a text"},
		"TakeoverLarge":       {held, takeover(TakeoverRequest{Text: strings.Repeat("x", maxTakeoverText+1024)}), "has 257 KiB; at most 256 are possible"},
		"TakeoverTwice":       {func(r *run) { held(r); r.wishes.takeover = &TakeoverRequest{} }, takeover(TakeoverRequest{Text: "mine"}), "answered the next turn already"},
		"TakeoverSending":     {func(r *run) { held(r); r.sending = true }, takeover(TakeoverRequest{Text: "mine"}), ""},
		"TakeoverMayBeSent":   {func(r *run) { held(r); r.sending, r.attention = true, &Attention{} }, takeover(TakeoverRequest{Text: "mine"}), "may have been sent already"},
		"TakeoverNotClaimed":  {func(*run) {}, takeover(TakeoverRequest{Text: "mine"}), "not claimed yet"},
		"TakeoverOver":        {over, takeover(TakeoverRequest{Text: "mine"}), "is over"},
		"ApproveNothing":      {held, approve, "no tool call waits"},
		"ApproveOver":         {over, approve, "is over"},
		"ApproveWhatWaits":    {run: waits, may: approve},
		"ApproveUnseen":       {waits, decide(ApproveRequest{}), "does not say what it is for: give the digest"},
		"ApproveOther":        {waits, decide(ApproveRequest{Digest: "d0"}), "not the one that was seen: buy waits with digest d1, the decision is for digest d0"},
		"ApproveOtherByID":    {waits, decide(ApproveRequest{CallID: "1", Digest: "d0"}), "not the one that was seen"},
		"DenyUnseen":          {run: waits, may: decide(ApproveRequest{Deny: true})},
		"DenyOther":           {waits, decide(ApproveRequest{Deny: true, Digest: "d0"}), "not the one that was seen"},
		"ApproveBy":           {run: waits, may: decide(ApproveRequest{Digest: "d1", By: "ada@desk"})},
		"ApproveByOddName":    {waits, decide(ApproveRequest{Digest: "d1", By: "ada\x1b[2J"}), "the operator's name"},
		"ApproveByLongName":   {waits, decide(ApproveRequest{Digest: "d1", By: strings.Repeat("a", 201)}), "the operator's name"},
		"DenyLongReason":      {waits, decide(ApproveRequest{Deny: true, Reason: strings.Repeat("a", 9<<10)}), "the reason has 9216 bytes"},
		"EndByOddName":        {held, func(r *run) error { return r.mayEnd(nil, EndRequest{By: "\n"}) }, "the operator's name"},
		"PauseByOddName":      {held, func(r *run) error { return r.mayPause(nil, PauseRequest{By: "\n"}) }, "the operator's name"},
		"TakeoverByOddName":   {held, takeover(TakeoverRequest{Text: "mine", By: "\n"}), "the operator's name"},
		"ResumeByOddName":     {func(r *run) { r.attention = &Attention{} }, func(r *run) error { return r.mayResume(nil, ResumeRequest{By: "\n"}) }, "the operator's name"},
		"ApproveWhichOfThem?": {func(r *run) { r.approvals = approvals{{}, {}} }, approve, "2 tool calls wait for approval: name one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{in: ConversationInput{Side: SidePlatform}}
			r.choose()
			tt.run(r)
			err := tt.may(r)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// What a direct conversation takes depends on what it does; what it has taken before is
// always taken again.
func TestMaySend(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		side func(*directSide)
		req  SendRequest
		want string
	}{
		"a message":         {func(*directSide) {}, SendRequest{ID: "m1", Text: "hello"}, ""},
		"an invalid one":    {func(*directSide) {}, SendRequest{ID: "m1"}, "is empty"},
		"no id":             {func(*directSide) {}, SendRequest{Text: "hello"}, "needs an id"},
		"being ended":       {func(s *directSide) { s.wishes.end = &EndRequest{} }, SendRequest{ID: "m1", Text: "hello"}, ErrTypeOver},
		"over":              {func(s *directSide) { s.outcome = &conversation.Outcome{} }, SendRequest{ID: "m1", Text: "hello"}, ErrTypeOver},
		"continuing as new": {func(s *directSide) { s.drained() }, SendRequest{ID: "m1", Text: "hello"}, ErrTypeBusy},
		"known": {func(s *directSide) {
			s.mailbox.keep(SendReply{ID: "m1"})
			s.drained()
			s.wishes.end = &EndRequest{}
		}, SendRequest{ID: "m1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{in: ConversationInput{Side: SideDirect}}
			r.choose()
			tt.side(r.side.(*directSide))
			err := r.validateSend(nil, tt.req)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// An operator may let another executor go on. It has seen nothing, and cannot use what
// the one before keeps.
func TestResumeWithAnotherExecutor(t *testing.T) {
	t.Parallel()
	for other, want := range map[string]agent{
		"":      {executor: "agent", model: "m", state: []byte("1")},
		"agent": {executor: "agent", model: "m", state: []byte("1")},
		"other": {executor: "other", model: "m"},
	} {
		r := &run{in: ConversationInput{Side: SidePlatform}, agent: agent{executor: "agent", model: "m", state: []byte("1")}, attention: &Attention{}}
		r.choose()
		r.transcript.received(user("hello"))
		r.transcript.seen()
		status, err := r.onResume(nil, ResumeRequest{Executor: other})
		require.NoError(t, err)
		require.Nil(t, status.Attention)
		require.Equal(t, want, r.agent)
		require.Equal(t, other == "other", len(r.transcript.new()) == 1)
	}
}

// An operator's answer is dropped if the platform has it already.
func TestDropRepeated(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		held  []conversation.Message
		drops bool
	}{
		"held":            {[]conversation.Message{user("hello"), assistant("mine"), user("go on")}, true},
		"the other's":     {[]conversation.Message{user("mine")}, false},
		"something else":  {[]conversation.Message{assistant("not mine")}, false},
		"nothing is held": {nil, false},
	} {
		w := wishes{takeover: &TakeoverRequest{Text: "mine"}}
		w.dropRepeated(tt.held)
		require.Equal(t, tt.drops, w.takeover == nil, name)
	}
	var none wishes
	none.dropRepeated([]conversation.Message{assistant("")})
	require.Nil(t, none.takeover)
}

func TestApprovalsFind(t *testing.T) {
	t.Parallel()
	one := func(id string, decided bool) *approval {
		a := &approval{Approval: Approval{CallID: id}}
		if decided {
			a.decision = &conversation.Decision{}
		}
		return a
	}
	for name, tt := range map[string]struct {
		all  approvals
		id   string
		want string
		err  string
	}{
		"TheOnlyOne":     {all: approvals{one("1", false)}, want: "1"},
		"TheOnlyWaiting": {all: approvals{one("1", true), one("2", false)}, want: "2"},
		"ByName":         {all: approvals{one("1", false), one("2", false)}, id: "2", want: "2"},
		"Decided":        {all: approvals{one("1", true), one("2", false)}, id: "1", err: `no tool call "1" waits`},
		"Unknown":        {all: approvals{one("1", false)}, id: "3", err: `no tool call "3" waits`},
		"AllDecided":     {all: approvals{one("1", true)}, err: "no tool call waits"},
		"None":           {err: "no tool call waits"},
		"NotNamed":       {all: approvals{one("1", false), one("2", false), one("3", false)}, err: "3 tool calls wait"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.all.find(tt.id)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got.CallID)
		})
	}
}

// A conversation may spend as much again each time that an operator resumes it.
func TestUsage(t *testing.T) {
	t.Parallel()
	policy := conversation.Policy{MaxTokens: 100, MaxCost: 50, Currency: "EUR"}
	var u usage
	require.Empty(t, u.over(policy))
	u.add(conversation.Usage{InputTokens: 60, OutputTokens: 40, Cost: 10})
	require.Contains(t, u.over(policy), "100")
	require.Empty(t, u.over(conversation.Policy{}), "there is no bound")
	u.allow()
	require.Empty(t, u.over(policy))
	u.add(conversation.Usage{OutputTokens: 99, Cost: 10})
	require.Empty(t, u.over(policy))
	u.add(conversation.Usage{Cost: 40})
	require.Contains(t, u.over(policy), "EUR")
	require.EqualValues(t, 199, u.amount().Tokens)
	require.EqualValues(t, 60, u.amount().Money)
	u.allow()
	require.Empty(t, u.over(policy))
}

func TestRetryingString(t *testing.T) {
	t.Parallel()
	next := time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)
	for want, r := range map[string]Retrying{
		"attempt 1 failed: refused":                                 {Attempt: 1, Reason: "refused"},
		"attempt 3 of 10 failed: refused":                           {Attempt: 3, Of: 10, Reason: "refused"},
		"attempt 3 of 10 failed: refused; the next at 12:00:05 UTC": {Attempt: 3, Of: 10, Reason: "refused", Next: next},
	} {
		require.Equal(t, want, r.String())
	}
	require.Equal(t, "findclaim", shortName("conversation.FindClaim"))
}

// The other side's choice of executor counts only among those that the policy allows.
func TestAgentChoose(t *testing.T) {
	t.Parallel()
	a := agent{executor: "agent"}
	a.choose(conversation.Context{}, []string{"other"})
	require.Equal(t, "agent", a.executor)
	for metadata, want := range map[string]string{
		`{"executor":"secret"}`: "agent", `{"executor":"other"}`: "other", `not JSON`: "agent", `{}`: "agent",
	} {
		a := agent{executor: "agent"}
		a.choose(conversation.Context{Metadata: []byte(metadata)}, []string{"other"})
		require.Equal(t, want, a.executor, metadata)
	}
}

func TestFirstState(t *testing.T) {
	t.Parallel()
	require.Equal(t, StateClaiming, ConversationInput{}.FirstState())
	require.Equal(t, StateWaiting, ConversationInput{CountedIn: &CountedIn{}}.FirstState())
	require.Equal(t, StateClaiming, ConversationInput{CountedIn: &CountedIn{Holds: true}}.FirstState())
	require.Nil(t, Counted(0))
	require.Equal(t, &CountedIn{Limit: 3}, Counted(3))
	require.Equal(t, SideTask, ListedSide(true))
	require.Equal(t, SidePlatform, ListedSide(false))
}

// Each setting that WithDefaults fills is asked for by its name.
func TestMissingSettings(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(*ConversationInput){
		"policy.on_exhausted":      func(in *ConversationInput) { in.Policy.OnExhausted = "" },
		"policy.on_spent":          func(in *ConversationInput) { in.Policy.OnSpent = "" },
		"policy.on_ambiguous":      func(in *ConversationInput) { in.Policy.OnAmbiguous = "" },
		"policy.on_oversize":       func(in *ConversationInput) { in.Policy.OnOversize = "" },
		"policy.max_message_bytes": func(in *ConversationInput) { in.Policy.MaxMessageBytes = 0 },
		"policy.reply_timeout":     func(in *ConversationInput) { in.Policy.ReplyTimeout = 0 },
		"policy.reply_attempts":    func(in *ConversationInput) { in.Policy.ReplyAttempts = 0 },
		"policy.exchange_timeout":  func(in *ConversationInput) { in.Policy.ExchangeTimeout = 0 },
		"policy.platform_attempts": func(in *ConversationInput) { in.Policy.PlatformAttempts = 0 },
		"policy.tool_attempts":     func(in *ConversationInput) { in.Policy.ToolAttempts = 0 },
		"policy.approval_timeout":  func(in *ConversationInput) { in.Policy.ApprovalTimeout = 0 },
		"policy.carry_bytes":       func(in *ConversationInput) { in.Policy.CarryBytes = 0 },
		"idle_timeout":             func(in *ConversationInput) { in.IdleTimeout = 0 },
		"task_timeout":             func(in *ConversationInput) { in.Side, in.IdleTimeout, in.TaskTimeout = SideTask, 0, 0 },
	} {
		in := ConversationInput{Side: SideDirect}.WithDefaults()
		require.Empty(t, in.missing())
		drop(&in)
		require.ErrorContains(t, in.Validate(), name+" is not set", name)
	}
}

// What an operator can do besides the remedy depends on what waits.
func TestChoices(t *testing.T) {
	t.Parallel()
	for want, all := range map[string][]Attention{
		"resume to send the message again, or end the conversation":             {{Kind: conversation.Ambiguous, Step: "turn 1" + stepExchange}},
		"resume to go on from what the platform holds, or end the conversation": {{Kind: conversation.Diverged}},
		"resume to allow as much again, take over or end the conversation":      {{Kind: conversation.BudgetSpent, Step: stepBudget}},
		"resume or end the conversation": {
			{Step: stepClaim}, {Step: stepContext}, {Step: stepOpening}, {Kind: conversation.Unavailable, Step: "turn 12" + stepExchange},
		},
		"resume, take over or end the conversation": {{}, {Step: "turn 3 · reply"}, {Kind: conversation.BudgetSpent, Step: "turn 3 · reply"}},
	} {
		for _, a := range all {
			require.Equal(t, want, a.Choices(), "%+v", a)
		}
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a; b", join("a", "b"))
	require.Equal(t, "a", join("a", ""))
	require.Equal(t, "b", join("", "b"))
}
