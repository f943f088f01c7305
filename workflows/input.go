package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
)

// A Side says where the other side of a conversation is.
type Side string

// The sides.
const (
	// SidePlatform: a platform has the conversation and its transcript. The workflow
	// claims it there, or adopts it.
	SidePlatform Side = "platform"
	// SideTransport: a platform answers each message, and holds nothing else. What is
	// known of the conversation is in Start.
	SideTransport Side = "transport"
	// SideDirect: clients send messages to the workflow with UpdateSend. Start may say
	// what is known beforehand.
	SideDirect Side = "direct"
	// SideTask: the conversation is one run of a task. With Start only this workflow
	// knows of the task; without, the workflow claims it on its platform.
	SideTask Side = "task"
)

// ListedSide is the side of what a platform lists: its tasks or its conversations.
func ListedSide(tasks bool) Side {
	if tasks {
		return SideTask
	}
	return SidePlatform
}

// ConversationInput starts a Conversation. It carries everything that a later
// run needs: continuing as new is the same call.
type ConversationInput struct {
	Ref    conversation.Ref    `json:"ref"`
	Policy conversation.Policy `json:"policy,omitzero"`
	// Side says where the other side is. Which of the fields below apply depends on it.
	Side Side `json:"side"`
	// Start is what is known of the conversation beforehand.
	Start *Start `json:"start,omitempty"`
	// Adopt takes over an orphan: a conversation or a task that another worker has
	// claimed and left.
	Adopt bool `json:"adopt,omitempty"`
	// IdleTimeout ends a direct conversation to which no client has sent a message for so
	// long. Zero: DefaultIdleTimeout. Below zero: never.
	IdleTimeout time.Duration `json:"idle_timeout,omitempty"`
	// TaskTimeout bounds the run of a task that does not say how long it may take. Zero:
	// DefaultTaskTimeout.
	TaskTimeout time.Duration `json:"task_timeout,omitempty"`
	// Notify is the name of the platform that is notified of events. Empty: none.
	Notify string `json:"notify,omitempty"`
	// CountedIn is set where the conversation counts against the capacity of its
	// platform.
	CountedIn *CountedIn `json:"counted_in,omitempty"`
	// Edition is that of the rules which the conversation follows. Zero: those of version
	// 0.1.0.
	Edition int `json:"edition,omitempty"`
	// Filled means that WithDefaults has filled what the caller left open.
	Filled bool `json:"filled,omitempty"`
	// By is the operator who started it by hand. Empty: an inbox, a schedule or a client did.
	By string `json:"by,omitempty"`
	// ShowPersona allows the persona's description among the search attributes. Temporal never
	// encrypts these, so callers whose payloads are encrypted leave it unset.
	ShowPersona bool `json:"show_persona,omitempty"`
	// Carried is the state of the run before this one.
	Carried *Carried `json:"carried,omitempty"`
}

// Start is a conversation as the caller that starts it knows it.
type Start struct {
	Context  conversation.Context   `json:"context,omitzero"`
	Messages []conversation.Message `json:"messages,omitempty"`
}

// Record is the transcript at the start: the messages, or else what the task says to the
// agent.
func (s Start) Record() conversation.Record {
	messages := s.Messages
	if task := s.Context.Task; task != nil && len(messages) == 0 {
		messages = []conversation.Message{task.Message()}
	}
	return conversation.Record{Messages: messages, Turns: assistantMessages(messages)}
}

const (
	// DefaultIdleTimeout ends direct conversations that no client goes on with.
	DefaultIdleTimeout = 24 * time.Hour
	// DefaultTaskTimeout bounds the run of a task that does not say how long it may take.
	DefaultTaskTimeout = 10 * time.Minute
	// workflowCarryBytes is the default of Policy.CarryBytes where no platform has the
	// messages that are not carried.
	workflowCarryBytes = 1 << 20
)

// WithDefaults fills what the input leaves open. Every caller of ours that starts a
// conversation calls it, so that a new default applies to new conversations and not to
// open ones.
func (in ConversationInput) WithDefaults() ConversationInput {
	switch in.Side {
	case SideTransport:
		in.carryWhole()
	case SideDirect:
		in.carryWhole()
		if in.IdleTimeout == 0 {
			in.IdleTimeout = DefaultIdleTimeout
		}
	case SideTask:
		if in.Policy.OnExhausted == "" {
			in.Policy.OnExhausted = conversation.EndConversation // the caller wants to know of it
		}
		if in.TaskTimeout <= 0 {
			in.TaskTimeout = DefaultTaskTimeout
		}
	}
	if !in.Filled {
		in.Edition = Edition
	}
	in.Policy, in.Filled = in.Policy.WithDefaults(), true
	return in
}

// filledSettings are what WithDefaults fills.
type filledSettings struct {
	Policy      conversation.Policy `json:"policy"`
	IdleTimeout time.Duration       `json:"idle_timeout,omitempty"`
	TaskTimeout time.Duration       `json:"task_timeout,omitempty"`
	Edition     int                 `json:"edition,omitempty"`
}

// recordDefaults fills the input of a caller that has not called WithDefaults, such as a
// program that uses Temporal's client alone. The history keeps what was filled: a default
// that is new when it is replayed changes nothing.
func recordDefaults(ctx workflow.Context, in ConversationInput) (ConversationInput, error) {
	if in.Filled {
		return in, nil
	}
	var out filledSettings
	err := workflow.SideEffect(ctx, func(workflow.Context) any {
		all := in.WithDefaults()
		return filledSettings{Policy: all.Policy, IdleTimeout: all.IdleTimeout, TaskTimeout: all.TaskTimeout, Edition: all.Edition}
	}).Get(&out)
	in.Policy, in.IdleTimeout, in.TaskTimeout = out.Policy, out.IdleTimeout, out.TaskTimeout
	in.Edition, in.Filled = out.Edition, true
	return in, err
}

func (in *ConversationInput) carryWhole() {
	if in.Policy.CarryBytes == 0 {
		in.Policy.CarryBytes = workflowCarryBytes
	}
}

// Validate reports the first thing that is wrong with the input.
func (in ConversationInput) Validate() error {
	if fault := in.fault(); fault != "" {
		return fmt.Errorf("workflows: conversation %q: %s", in.Ref, fault)
	}
	return nil
}

func (in ConversationInput) fault() string {
	task := in.Start != nil && in.Start.Context.Task != nil
	switch in.Side {
	case SidePlatform:
		if in.Start != nil {
			return "side platform takes no start: the platform knows the conversation"
		}
	case SideTransport:
		if in.Start == nil || task {
			return "side transport needs a start without a task"
		}
	case SideDirect:
		if task {
			return "side direct takes no task: use side task"
		}
	case SideTask:
		if in.Start != nil && !task {
			return "side task needs a task in its start, or no start"
		}
		if in.Carried != nil {
			return "the run of a task does not continue as new"
		}
	default:
		return fmt.Sprintf("side %q is unknown: use platform, transport, direct or task", in.Side)
	}
	if err := mayDecide(in.By, ""); err != nil {
		return err.Error()
	}
	if in.Adopt && (in.Side != SidePlatform && in.Side != SideTask || in.Start != nil) {
		return "adopt is for conversations and tasks of a platform"
	}
	if in.IdleTimeout != 0 && in.Side != SideDirect {
		return "idle_timeout is for side direct"
	}
	return in.missing()
}

// missing names a setting that WithDefaults would have filled. A setting that is added
// after a release does not belong here: it is zero in conversations that are open then.
func (in ConversationInput) missing() string {
	p := in.Policy
	for _, setting := range []struct {
		name string
		set  bool
	}{
		{"idle_timeout", in.Side != SideDirect || in.IdleTimeout != 0},
		{"task_timeout", in.Side != SideTask || in.TaskTimeout > 0},
		{"policy.on_exhausted", p.OnExhausted != ""},
		{"policy.on_spent", p.OnSpent != ""},
		{"policy.on_ambiguous", p.OnAmbiguous != ""},
		{"policy.on_oversize", p.OnOversize != ""},
		{"policy.max_message_bytes", p.MaxMessageBytes > 0},
		{"policy.reply_timeout", p.ReplyTimeout > 0},
		{"policy.reply_attempts", p.ReplyAttempts > 0},
		{"policy.exchange_timeout", p.ExchangeTimeout > 0},
		{"policy.platform_attempts", p.PlatformAttempts > 0},
		{"policy.tool_attempts", p.ToolAttempts > 0},
		{"policy.approval_timeout", p.ApprovalTimeout > 0},
		{"policy.carry_bytes", p.CarryBytes > 0},
	} {
		if !setting.set {
			return setting.name + " is not set: start conversations with ConversationInput.WithDefaults"
		}
	}
	return ""
}

// FirstState is what the conversation does first.
func (in ConversationInput) FirstState() State {
	if in.CountedIn != nil && !in.CountedIn.Holds {
		return StateWaiting
	}
	return StateClaiming
}
