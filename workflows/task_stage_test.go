package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/workflows"
)

// taskStage is a task of a platform, with a callback.
func taskStage(t *testing.T) (*stage, *conversation.Task) {
	t.Helper()
	s := newStage(t)
	s.hasTask()
	task := &conversation.Task{Callback: &conversation.Callback{URL: "http://callback.example"}}
	s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
		return activities.ContextResult{RunID: runID, State: platforms.StateOpen, Context: conversation.Context{Task: task}}, nil
	}
	// The platform does not cancel it: this environment's clock may run ahead.
	s.watch = func(context.Context) (activities.WatchResult, error) { return activities.WatchResult{}, nil }
	return s, task
}

// taskResult is the result of a task, whether it has succeeded or not.
func (s *stage) taskResult() conversation.TaskResult {
	s.t.Helper()
	require.True(s.t, s.env.IsWorkflowCompleted())
	out := s.status().Outcome
	require.NotNil(s.t, out)
	require.NotNil(s.t, out.Task)
	return *out.Task
}

// A task is reported to its callback first, and then to its platform, which gets a small
// result along with it.
func TestTaskReports(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reply string
		along bool
	}{"small": {"done", true}, "large": {strings.Repeat("x", 5<<10), false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := taskStage(t)
			s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
				return says(tt.reply), nil
			}
			var order []string
			s.deliver = func(_ int, in activities.DeliverInput) (activities.DeliverResult, error) {
				order = append(order, "callback")
				require.Equal(t, conversation.TaskSuccess, in.Result.Status)
				require.Equal(t, "e", in.Result.ExecutionID)
				require.Nil(t, in.Result.Delivery)
				return activities.DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryDelivered, Code: 200, Attempts: 1}}, nil
			}
			s.report = func(_ int, in activities.ReportInput) (activities.ReportResult, error) {
				order = append(order, "report")
				require.Equal(t, "e", in.Report.Receipt.ExecutionID)
				require.Equal(t, tt.along, len(in.Report.Result) > 0)
				return activities.ReportResult{}, nil
			}
			s.run(listedTask("mem"))
			r := s.taskResult()
			require.Equal(t, []string{"callback", "report"}, order)
			require.Equal(t, json.RawMessage(`"`+tt.reply+`"`), r.Result)
			require.True(t, r.Acknowledged)
			require.Equal(t, conversation.DeliveryDelivered, r.Delivery.State)
			require.Equal(t, "http://callback.example", r.Delivery.URL)
		})
	}
}

// What is wrong with a task fails it: its agent is not asked, and its caller is notified.
func TestTaskIsAtFault(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		task func(*conversation.Task)
		out  func(*activities.ContextResult)
		want string
	}{
		"too large": {out: func(out *activities.ContextResult) { out.Fault = "the task is too large" }, want: "the task is too large"},
		"another's executor": {
			task: func(task *conversation.Task) { task.Payload = json.RawMessage(`{"executor_type":"secret"}`) },
			want: `asks for executor "secret"`,
		},
		"payload that is none": {
			task: func(task *conversation.Task) { task.Payload = json.RawMessage(`"text"`) }, want: "payload",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, task := taskStage(t)
			if tt.task != nil {
				tt.task(task)
			}
			next := s.context
			s.context = func(n int, in activities.ContextInput) (activities.ContextResult, error) {
				out, err := next(n, in)
				if tt.out != nil {
					tt.out(&out)
				}
				return out, err
			}
			s.run(listedTask("mem"))
			require.ErrorContains(t, s.env.GetWorkflowError(), tt.want)
			r := s.taskResult()
			require.Equal(t, conversation.TaskFailed, r.Status)
			require.Equal(t, conversation.Invalid, r.Kind)
			require.Contains(t, r.Error, tt.want)
			require.Zero(t, s.called(activities.ReplyName))
			require.Equal(t, 1, s.called(activities.DeliverName))
			require.Equal(t, 1, s.called(activities.ReportName))
		})
	}
}

// A claim that is lost leaves nothing to report.
func TestTaskClaimLost(t *testing.T) {
	t.Parallel()
	for name, claim := range map[string]func(int, activities.ClaimInput) (activities.ClaimResult, error){
		"said by the platform": func(int, activities.ClaimInput) (activities.ClaimResult, error) {
			return activities.ClaimResult{Detail: "another has it"}, nil
		},
		"an error": func(int, activities.ClaimInput) (activities.ClaimResult, error) {
			return activities.ClaimResult{}, fails(conversation.Claimed, "another has it", activities.ErrorDetails{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := taskStage(t)
			s.claim = claim
			s.run(listedTask("mem"))
			out := s.outcome()
			require.Equal(t, conversation.OutcomeClaimLost, out.Kind)
			require.Contains(t, out.Detail, "another has it")
			for _, name := range []string{activities.ContextName, activities.ReplyName, activities.DeliverName, activities.ReportName, activities.FindClaimName} {
				require.Zero(t, s.called(name), name)
			}
		})
	}
}

// A task that was cancelled while it was claimed is not run, and not reported.
func TestTaskCancelledWhileClaimed(t *testing.T) {
	t.Parallel()
	s, task := taskStage(t)
	s.context = func(int, activities.ContextInput) (activities.ContextResult, error) {
		return activities.ContextResult{
			RunID: runID, State: platforms.StateEnded, EndedBy: conversation.EndedByPlatform, EndDetail: "cancelled", Context: conversation.Context{Task: task},
		}, nil
	}
	s.run(listedTask("mem"))
	out := s.outcome()
	require.Equal(t, conversation.EndedByPlatform, out.EndedBy)
	require.Equal(t, conversation.TaskCancelled, out.Task.Status)
	for _, name := range []string{activities.ReplyName, activities.DeliverName, activities.ReportName} {
		require.Zero(t, s.called(name), name)
	}
}

// The run of a task ends with the time that it has. While an operator decides, its time
// stands still, and begins anew then.
func TestTaskTime(t *testing.T) {
	t.Parallel()
	t.Run("it is over", func(t *testing.T) {
		t.Parallel()
		s, task := taskStage(t)
		task.Timeout = time.Minute
		s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
			return activities.ReplyResult{}, down()
		}
		in := listedTask("mem")
		in.Policy.ReplyAttempts = 1000
		s.run(in)
		require.ErrorContains(t, s.env.GetWorkflowError(), "the run took longer than the 1m0s that the task has")
		require.Equal(t, conversation.TaskFailed, s.taskResult().Status)
		require.Equal(t, 1, s.called(activities.ReportName))
	})
	t.Run("an operator decides", func(t *testing.T) {
		t.Parallel()
		s, task := taskStage(t)
		task.Timeout = time.Minute
		s.reply = func(_ context.Context, n int, _ activities.ReplyInput) (activities.ReplyResult, error) {
			if n == 1 {
				return activities.ReplyResult{}, fails(conversation.Invalid, "it is wrong", activities.ErrorDetails{})
			}
			return says("done"), nil
		}
		s.after(5*time.Hour, func() { s.update(workflows.UpdateResume, workflows.ResumeRequest{}) })
		in := listedTask("mem")
		in.Policy.OnExhausted = conversation.Park
		s.run(in)
		require.Equal(t, conversation.OutcomeEnded, s.outcome().Kind)
	})
	t.Run("the default", func(t *testing.T) {
		t.Parallel()
		s, _ := taskStage(t)
		s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
			return activities.ReplyResult{}, down()
		}
		in := listedTask("mem")
		in.Policy.ReplyAttempts = 1000
		s.run(in)
		require.ErrorContains(t, s.env.GetWorkflowError(), "longer than the 10m0s")
	})
}

// Only a task that this workflow alone knows of waits until it is due, and can be ended
// meanwhile.
func TestTaskIsNotDueYet(t *testing.T) {
	t.Parallel()
	for _, private := range []bool{true, false} {
		t.Run(fmt.Sprint("private ", private), func(t *testing.T) {
			t.Parallel()
			s, task := taskStage(t)
			begin := s.env.Now()
			task.ScheduledFor, task.Callback = begin.Add(3*time.Hour), nil
			in := listedTask("mem")
			if private {
				in.Start = &workflows.Start{Context: conversation.Context{Task: task}}
			}
			s.run(in)
			require.Equal(t, conversation.TaskSuccess, s.taskResult().Status)
			require.Equal(t, private, s.env.Now().Sub(begin) >= 3*time.Hour)
		})
	}
	t.Run("ended", func(t *testing.T) {
		t.Parallel()
		s, task := taskStage(t)
		task.ScheduledFor = s.env.Now().Add(3 * time.Hour)
		s.after(time.Hour, func() { s.update(workflows.UpdateEnd, workflows.EndRequest{}) })
		in := listedTask("mem")
		in.Start = &workflows.Start{Context: conversation.Context{Task: task}}
		s.run(in)
		require.Equal(t, conversation.EndedByOperator, s.outcome().EndedBy)
		require.Zero(t, s.called(activities.ReplyName))
		require.Equal(t, 1, s.called(activities.DeliverName), "its caller waits")
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		s, task := taskStage(t)
		task.ScheduledFor = s.env.Now().Add(3 * time.Hour)
		s.after(time.Hour, s.env.CancelWorkflow)
		in := listedTask("mem")
		in.Start = &workflows.Start{Context: conversation.Context{Task: task}}
		s.run(in)
		require.Equal(t, conversation.TaskFailed, s.taskResult().Status)
		require.Zero(t, s.called(activities.ReplyName))
	})
}

// Reports that fail for good are in the result; neither undoes the run.
func TestTaskReportsFail(t *testing.T) {
	t.Parallel()
	s, _ := taskStage(t)
	s.deliver = func(int, activities.DeliverInput) (activities.DeliverResult, error) {
		return activities.DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryFailed, Code: 410, Attempts: 4, Error: "gone"}}, nil
	}
	s.report = func(int, activities.ReportInput) (activities.ReportResult, error) {
		return activities.ReportResult{}, fails(conversation.NotFound, "unknown", activities.ErrorDetails{Remedy: "none"})
	}
	s.run(listedTask("mem"))
	r := s.taskResult()
	require.Equal(t, conversation.TaskSuccess, r.Status)
	require.Equal(t, 410, r.Delivery.Code)
	require.False(t, r.Acknowledged)
	require.Equal(t, "unknown (none)", r.Fault)
}

// A reset that is found out when the task is reported: it is reported once more only while
// it is this workflow's.
func TestTaskResetWhileItIsReported(t *testing.T) {
	t.Parallel()
	for name, ours := range map[string]bool{"ours": true, "released": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := taskStage(t)
			s.deliver = func(n int, in activities.DeliverInput) (activities.DeliverResult, error) {
				if n == 1 {
					return activities.DeliverResult{}, wasReset("run2")
				}
				require.Equal(t, "run2", in.Run)
				return activities.DeliverResult{Delivery: conversation.Delivery{State: conversation.DeliveryDelivered}}, nil
			}
			s.held = func(int, activities.FindClaimInput) (activities.FindClaimResult, error) {
				if !ours {
					return activities.FindClaimResult{}, nil
				}
				return activities.FindClaimResult{Ours: true, Receipt: &platforms.Receipt{ExecutionID: "e"}}, nil
			}
			s.run(listedTask("mem"))
			out := s.outcome()
			require.Contains(t, out.Detail, "the workflow was reset")
			if ours {
				require.Equal(t, 2, s.called(activities.DeliverName))
				require.Equal(t, 1, s.called(activities.ReportName))
				require.True(t, out.Task.Acknowledged)
				return
			}
			require.Equal(t, 1, s.called(activities.DeliverName))
			require.Zero(t, s.called(activities.ReportName))
			require.Nil(t, out.Task.Delivery)
		})
	}
}

// Whether a task is ours may not be found out: then nothing is run again.
func TestTaskResetAndNotFound(t *testing.T) {
	t.Parallel()
	s, _ := taskStage(t)
	s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
		return activities.ReplyResult{}, wasReset("run2")
	}
	s.held = func(int, activities.FindClaimInput) (activities.FindClaimResult, error) {
		return activities.FindClaimResult{}, fails(conversation.Unauthorized, "wrong key", activities.ErrorDetails{})
	}
	s.run(listedTask("mem"))
	require.ErrorContains(t, s.env.GetWorkflowError(), "the workflow was reset; whether the task is still ours could not be found out; wrong key")
	require.Equal(t, 1, s.called(activities.ReplyName))
}

// A task whose claim is ambiguous when it is ended, and of which nothing can be found out,
// says so.
func TestTaskClaimCannotBeFound(t *testing.T) {
	t.Parallel()
	s, _ := taskStage(t)
	s.claim = func(n int, _ activities.ClaimInput) (activities.ClaimResult, error) {
		if n == 1 {
			s.after(0, func() { s.update(workflows.UpdateEnd, workflows.EndRequest{}) })
		}
		return activities.ClaimResult{}, fails(conversation.Unavailable, "cut off", activities.ErrorDetails{Ambiguous: true})
	}
	s.held = func(n int, _ activities.FindClaimInput) (activities.FindClaimResult, error) {
		if n == 1 {
			return activities.FindClaimResult{HandedOver: true, Tried: &activities.Mark{Sends: 1}}, nil
		}
		return activities.FindClaimResult{}, fails(conversation.Invalid, "it is wrong", activities.ErrorDetails{})
	}
	s.run(listedTask("mem"))
	require.Contains(t, s.outcome().Detail, "whether the claim was made could not be found out: it is wrong")
	require.Equal(t, 2, s.called(activities.FindClaimName))
}

// A run that was over before it began looks for the callback that waits; if it cannot find
// it, the outcome says so.
func TestTaskCallbackCannotBeFound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		second error
		detail string
		calls  int
	}{
		"found":     {nil, "", 1},
		"not found": {errors.New("down"), "whether a callback waits could not be found out", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := taskStage(t)
			next := s.context
			s.context = func(n int, in activities.ContextInput) (activities.ContextResult, error) {
				switch {
				case n == 1:
					return activities.ContextResult{}, fails(conversation.Invalid, "it is wrong", activities.ErrorDetails{})
				case tt.second != nil:
					return activities.ContextResult{}, fails(conversation.Invalid, tt.second.Error(), activities.ErrorDetails{})
				}
				return next(n, in)
			}
			s.run(listedTask("mem"))
			require.ErrorContains(t, s.env.GetWorkflowError(), "it is wrong")
			require.Contains(t, s.status().Outcome.Detail, tt.detail)
			require.Equal(t, tt.calls, s.called(activities.DeliverName))
			require.Equal(t, 1, s.called(activities.ReportName))
			require.Equal(t, conversation.TaskFailed, s.taskResult().Status)
		})
	}
}

// A watch that is handed over goes on, and one that fails leaves the run as it is.
func TestTaskWatch(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]error{"over": nil, "failed": fails(conversation.Invalid, "it is wrong", activities.ErrorDetails{})} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := taskStage(t)
			watches, watched := 0, make(chan struct{})
			s.watch = func(context.Context) (activities.WatchResult, error) {
				if watches++; watches == 1 {
					return activities.WatchResult{HandedOver: true}, nil
				}
				defer close(watched)
				return activities.WatchResult{}, last
			}
			s.reply = func(context.Context, int, activities.ReplyInput) (activities.ReplyResult, error) {
				<-watched
				return says("done"), nil
			}
			s.run(listedTask("mem"))
			require.Equal(t, conversation.TaskSuccess, s.taskResult().Status)
			require.Equal(t, 2, watches)
		})
	}
}
