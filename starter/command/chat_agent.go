package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/chat"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// unconfiguredAgent is the agent's name without a configuration.
const unconfiguredAgent = "agent"

// directFlags choose a direct conversation.
type directFlags struct {
	id, resume, executor string
	idle                 time.Duration
}

func (f *directFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.id, "id", "", "the conversation's `id`; a new id begins a conversation (default: a new id)")
	flags.StringVar(&f.resume, "resume", "", "continue the conversation of this `id`")
	flags.StringVar(&f.executor, "executor", "", "use this `executor` in a new conversation, one of those that the agent allows")
	flags.Var(duration.NewFlag(&f.idle, workflows.DefaultIdleTimeout), "idle-timeout", "end a new conversation after this time without a message; 0 never ends it")
}

func (f *directFlags) check() error {
	switch {
	case f.id != "" && f.resume != "":
		return usagef("give --id or --resume, not both")
	case f.idle < 0:
		return usagef("--idle-timeout %v is negative", f.idle)
	}
	return nil
}

// connectDirect connects and determines the conversation and its agent. agent may be
// empty. Usage errors come before connection errors.
func (s *starter) connectDirect(ctx context.Context, agent string, f directFlags) (*operate.Operator, launch.Direct, error) {
	if f.resume == "" {
		if _, err := s.spokenFor(agentOf(agent, f.id), f.executor); err != nil {
			return nil, launch.Direct{}, err
		}
	}
	o, err := s.operator(ctx)
	if err != nil {
		return nil, launch.Direct{}, err
	}
	direct, err := s.direct(ctx, o, agent, f)
	if err != nil {
		return nil, launch.Direct{}, err
	}
	if err := direct.Input.Ref.Validate(); err != nil {
		return nil, launch.Direct{}, usage(err)
	}
	return o, direct, nil
}

// direct determines the conversation and its agent. agent may be empty.
func (s *starter) direct(ctx context.Context, o *operate.Operator, agent string, f directFlags) (launch.Direct, error) {
	id := cmp.Or(f.resume, f.id)
	if rest, whole := strings.CutPrefix(id, launch.DirectPlatform+"/"); whole {
		name, bare, found := strings.Cut(rest, "/")
		if !found || name == "" || bare == "" {
			return launch.Direct{}, usagef("%q is no id of a direct conversation: write %s/<agent>/<id>, or the id alone", id, launch.DirectPlatform)
		}
		if agent != "" && agent != name {
			return launch.Direct{}, usagef("conversation %q is with agent %q, not with %q", id, name, agent)
		}
		agent, id = name, bare
	}
	if f.resume != "" {
		return s.resumed(ctx, o, agent, id)
	}
	input, err := s.spokenFor(agent, f.executor)
	if err != nil {
		return launch.Direct{}, err
	}
	input.Ref = launch.DirectRef(input.Ref.Agent, cmp.Or(id, chat.NewID()))
	if input.IdleTimeout = f.idle; f.idle == 0 {
		input.IdleTimeout = -1 // never
	}
	return launch.Direct{Input: input, Open: true}, nil
}

// resumed is an existing conversation: its agent need not be in the configuration.
func (s *starter) resumed(ctx context.Context, o *operate.Operator, agent, id string) (launch.Direct, error) {
	if agent == "" {
		if input, err := s.spokenFor("", ""); err == nil {
			agent = input.Ref.Agent
		} else if _, several := errors.AsType[severalAgents](err); !several {
			return launch.Direct{}, err
		}
	}
	ref := launch.DirectRef(agent, id)
	if err := ref.Validate(); err != nil {
		return launch.Direct{}, usage(err)
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if agent == "" { // any of several
		found, err := o.Find(ctx, id)
		if err != nil {
			return launch.Direct{}, err
		}
		rest, ok := strings.CutPrefix(found, launch.DirectPlatform+"/")
		if !ok {
			return launch.Direct{}, usagef("conversation %q takes its messages from its platform: they cannot be sent from here", found)
		}
		agent, id, _ = strings.Cut(rest, "/")
		return launch.Direct{Input: workflows.ConversationInput{Ref: launch.DirectRef(agent, id)}}, nil
	}
	if _, err := o.Describe(ctx, workflows.ConversationID(ref)); records.KindOf(err) == records.NotFound {
		return launch.Direct{}, unknownDirect(o, ref)
	} else if err != nil {
		return launch.Direct{}, err
	}
	return launch.Direct{Input: workflows.ConversationInput{Ref: ref}}, nil
}

func unknownDirect(o *operate.Operator, ref conversation.Ref) error {
	return &records.Fault{Kind: records.NotFound, Err: launch.ErrUnknown, Text: fmt.Sprintf(
		"no conversation %q in namespace %q at %s: `starter list --platform %s` lists them, --id begins one",
		workflows.ConversationID(ref), o.Namespace, o.Address, launch.DirectPlatform)}
}

// severalAgents asks for the name of one.
type severalAgents struct{ error }

func (e severalAgents) Unwrap() error { return e.error }

// spokenFor returns the agent's executor and policy. Only the agent of the Ref is set.
func (s *starter) spokenFor(name, executor string) (workflows.ConversationInput, error) {
	var none workflows.ConversationInput
	if s.unconfigured() {
		if name != "" && name != unconfiguredAgent {
			return none, usagef("no agent %q: there is no configuration (--config, PARLEY_CONFIG or %s), and without one the only agent is %q",
				name, config.DefaultFile, unconfiguredAgent)
		}
		return workflows.ConversationInput{
			Ref: conversation.Ref{Agent: unconfiguredAgent}, Policy: conversation.Policy{Executor: cmp.Or(executor, executors.Auto)},
		}, nil
	}
	c, err := s.configuration()
	if err != nil {
		return none, err
	}
	var names []string
	if name != "" {
		names = []string{name}
	}
	agents, err := chooseAgents(c.Agents, names, false)
	if err != nil {
		if name == "" {
			err = severalAgents{err}
		}
		return none, err
	}
	agent := agents[0]
	if executor != "" {
		if err := knownExecutor(c, executor); err != nil {
			return none, err
		}
		allowed := append([]string{agent.Policy.Executor}, agent.Policy.Executors...)
		if !slices.Contains(allowed, executor) {
			return none, usagef("agent %q does not allow executor %q, only %s: agents.%s.executors lists the allowed ones",
				agent.Name, executor, strings.Join(allowed, ", "), agent.Name)
		}
	}
	policy := agent.Policy
	policy.Executor = cmp.Or(executor, policy.Executor)
	return workflows.ConversationInput{Ref: conversation.Ref{Agent: agent.Name}, Policy: policy}, nil
}

// unconfigured reports whether there is no configuration at all.
func (s *starter) unconfigured() bool {
	lookup := connect.LookupIn(s.environ)
	if path, _ := lookup("PARLEY_CONFIG"); path != "" || s.flags.config != "" {
		return false
	}
	for _, t := range assemble.Builtin().Types().Platforms {
		for _, v := range t.Environment {
			value, _ := lookup(v.Name)
			file, _ := lookup(v.Name + "_FILE")
			if value != "" || file != "" {
				return false
			}
		}
	}
	_, err := os.Stat(config.DefaultFile)
	return errors.Is(err, fs.ErrNotExist)
}

// refused says why a message got no reply.
func refused(o *operate.Operator, ref conversation.Ref, err error) error {
	switch {
	case errors.Is(err, launch.ErrUnknown):
		return unknownDirect(o, ref)
	case errors.Is(err, launch.ErrOver), errors.Is(err, launch.ErrForgotten):
		return &exitError{codeNeedsOperator, err}
	}
	return o.Explain("send", err)
}

// again is the command line that continues a conversation.
func (s *starter) again(ref conversation.Ref) string {
	words := []string{"starter", "chat", ref.Agent, "--resume", ref.ID}
	for _, f := range []struct{ flag, value string }{
		{"--config", s.flags.config}, {"--temporal-address", s.flags.address},
		{"--namespace", s.flags.namespace}, {"--task-queue", s.flags.taskQueue},
	} {
		if f.value != "" {
			words = append(words, f.flag, f.value)
		}
	}
	for i, word := range words {
		words[i] = shellWord(word)
	}
	return strings.Join(words, " ")
}

// shellWord quotes what a shell would interpret.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
