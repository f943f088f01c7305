package onerun

import (
	"context"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/platforms"
)

var _ platforms.Evaluated = (*Platform)(nil)

// Evaluations are those of OneRun's judge. A score that is not from 0 to 1 is left out.
func (p *Platform) Evaluations(ctx context.Context, ref conversation.Ref) ([]conversation.Evaluation, error) {
	cv, err := p.client.Conversation(ctx, location(ref))
	if err != nil {
		return nil, err
	}
	var out []conversation.Evaluation
	for _, e := range cv.Evaluations {
		if !(e.Score >= 0 && e.Score <= 1) {
			continue
		}
		name := e.ObjectiveID
		if e.Objective != nil && e.Objective.Name != "" {
			name = e.Objective.Name
		}
		out = append(out, conversation.Evaluation{
			Objective: printable.Name(name, printable.MaxName), Score: e.Score, Reason: e.Reason, At: e.CreatedAt.Time,
		})
	}
	return out, nil
}
