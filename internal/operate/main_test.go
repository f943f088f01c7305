package operate_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records/recordstest"
)

const id = "onerun/pr1/cv1"

var ref = conversation.Ref{Platform: "onerun", Project: "pr1", Simulation: "sim1", Agent: "ag1", ID: "cv1"}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newOperator(s *recordstest.Server) *operate.Operator {
	return &operate.Operator{Reader: s.NewReader()}
}
