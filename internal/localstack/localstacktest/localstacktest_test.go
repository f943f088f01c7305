package localstacktest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/workflows"
)

func TestMain(m *testing.M) { localstacktest.Main(m) }

func TestSharedServerIsReady(t *testing.T) {
	t.Parallel()
	c := localstacktest.Client(t)

	have, err := c.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{
		Namespace: localstacktest.Shared(t).Namespace,
	})
	require.NoError(t, err)
	for _, key := range workflows.SearchAttributes() {
		require.Equal(t, key.GetValueType(), have.GetCustomAttributes()[key.GetName()], key.GetName())
	}
	require.Equal(t, localstacktest.Address(t), localstacktest.Address(t))
}

func TestStartIsAServerOfItsOwn(t *testing.T) {
	t.Parallel()
	stack := localstacktest.Start(t)
	require.NotEqual(t, localstacktest.Address(t), stack.Address)

	_, err := localstacktest.Dial(t, stack).WorkflowService().CountWorkflowExecutions(t.Context(),
		&workflowservice.CountWorkflowExecutionsRequest{Namespace: stack.Namespace})
	require.NoError(t, err)
}
