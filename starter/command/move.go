package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
)

// movePatience is for the replay of many histories, unless --timeout says otherwise.
const movePatience = 15 * time.Minute

func (s *starter) moveCommand() *cobra.Command {
	var req operate.MoveRequest
	a := &action{verb: "move", doing: "moving", statuses: []string{records.StatusStranded}}
	cmd := &cobra.Command{
		Use: "move CONVERSATION…", Long: moveHelp, Example: moveExample,
		RunE: s.does(func(ctx context.Context, names []string) error { return s.move(ctx, a, names, req) }),
	}
	a.register(cmd.Flags())
	cmd.Flags().StringVar(&req.Reason, "reason", "", "the reason, for the record")
	s.flags.registerAs(cmd.Flags())
	return cmd
}

func (s *starter) move(ctx context.Context, a *action, names []string, req operate.MoveRequest) error {
	if err := a.check(names); err != nil {
		return err
	}
	o, err := s.operator(ctx)
	if err != nil {
		return err
	}
	ids, absent, err := s.toMove(ctx, o, a, names)
	if err != nil {
		return err
	}
	if len(ids)+len(absent) == 0 {
		s.say("There is nothing to move.")
		return s.report(a.doing, nil)
	}
	if a.all && !a.yes {
		if err := s.confirm("Move " + count(len(ids), "conversation") + "?"); err != nil {
			return err
		}
	}
	moving, cancel := context.WithTimeout(ctx, movePatience)
	if s.flags.timeoutGiven() {
		cancel()
		moving, cancel = s.bounded(ctx)
	}
	defer cancel()
	req.By = s.operatorName()
	done, err := o.Move(moving, ids, req)
	if err != nil {
		return err
	}
	for i := range done {
		if done[i].Status == operate.NotPinned {
			s.say("%s is not pinned: it continues on the current version by itself", done[i].ID)
		}
	}
	return s.report(a.doing, append(done, absent...))
}

// toMove are the ids of the conversations that are meant, and the names that mean none.
func (s *starter) toMove(ctx context.Context, o *operate.Operator, a *action, names []string) (ids []string, absent []operate.Result, err error) {
	finding, cancel := s.bounded(ctx)
	defer cancel()
	if a.all {
		if len(a.filterFlags.statuses) == 0 {
			a.filterFlags.statuses = a.statuses
		}
		ids, err = o.Matching(finding, s.filter(a.filterFlags))
		return ids, nil, err
	}
	for _, found := range operate.Each(finding, names, o.Find) {
		if found.Err != nil {
			absent = append(absent, found)
			continue
		}
		ids = append(ids, found.Status)
	}
	return ids, absent, nil
}
