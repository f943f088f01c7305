package gemini_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/gemini"
)

// Google Cloud counts by project and location, Google AI Studio by key.
func TestQuota(t *testing.T) {
	t.Parallel()
	require.Equal(t, "gcp.gemini https://generativelanguage.googleapis.com", gemini.Config{}.Quota().String())
	require.Equal(t, "gcp.vertex_ai https://us-east1-aiplatform.googleapis.com/projects/p/locations/us-east1",
		gemini.Config{API: gemini.VertexAPI, Project: "p", Location: "us-east1"}.Quota().String())
}
