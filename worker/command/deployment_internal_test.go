package command

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/parley-run/parley/internal/connect"
)

// Temporal's Worker Controller tells a worker its version in the environment.
func TestVersionFromTheEnvironment(t *testing.T) {
	t.Parallel()
	const name, build = "TEMPORAL_DEPLOYMENT_NAME=shop/parley", "TEMPORAL_WORKER_BUILD_ID=1.2-9f3c"
	for _, tt := range []struct {
		name    string
		args    []string
		environ []string
		want    worker.WorkerDeploymentVersion
		fault   string
	}{
		{name: "NoVersion"},
		{name: "Environment", environ: []string{name, build}, want: worker.WorkerDeploymentVersion{DeploymentName: "shop/parley", BuildID: "1.2-9f3c"}},
		{name: "FlagsWin", args: []string{"--deployment-name", "a", "--build-id", "b"}, environ: []string{name, build}, want: worker.WorkerDeploymentVersion{DeploymentName: "a", BuildID: "b"}},
		{name: "EmptyFlagsSwitchItOff", args: []string{"--deployment-name=", "--build-id="}, environ: []string{name, build}},
		{name: "EmptyVariables", environ: []string{"TEMPORAL_DEPLOYMENT_NAME=", "TEMPORAL_WORKER_BUILD_ID="}},
		{name: "Dev", args: []string{"--dev"}, environ: []string{name, build}},
		{name: "OnlyTheName", environ: []string{name}, fault: "TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID go together"},
		{name: "OnlyTheBuild", environ: []string{build}, fault: "TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID go together"},
		{name: "Dot", environ: []string{"TEMPORAL_DEPLOYMENT_NAME=a.b", build}, fault: `TEMPORAL_DEPLOYMENT_NAME is "a.b": Temporal allows no dot`},
		{name: "NotMixed", args: []string{"--deployment-name", "a"}, environ: []string{name, build}, fault: "--deployment-name and --build-id go together"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &command{Environ: tt.environ, Lookup: connect.LookupIn(tt.environ)}
			err := c.parse(tt.args)
			if tt.fault != "" {
				require.ErrorContains(t, err, tt.fault)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, c.Deployment)
			if len(tt.args) == 0 || tt.args[0] != "--dev" {
				require.Equal(t, tt.want, c.settings(t.Output()).Deployment)
			}
		})
	}
}
