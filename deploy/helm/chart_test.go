package helm

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// files are the value files that "helm lint" and "helm template" are run over.
func files(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("testdata/values")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.GreaterOrEqual(t, len(names), 4)
	return names
}

func TestLint(t *testing.T) {
	t.Parallel()
	for _, name := range files(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			linter := lint.RunAll(dir, file(t, name), namespace)
			for _, m := range linter.Messages {
				require.Less(t, m.Severity, support.WarningSev, m.Error())
			}
		})
	}
	// The linter finds what is wrong.
	require.Equal(t, support.ErrorSev, lint.RunAll(dir, values(t, "replicas: many"), namespace).HighestSeverity)
}

func TestObjects(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"minimal.yaml": {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"},
		"bare.yaml":    {"Deployment"},
		"everything.yaml": {
			"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "ScaledObject", "Service", "ServiceAccount", "ServiceMonitor", "TriggerAuthentication",
		},
		"controller.yaml": {"NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "ServiceMonitor", "WorkerDeployment"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, render(t, file(t, name)).kinds())
		})
	}
}

// options are single changes of the minimal values.
var options = map[string]string{
	"Replicas":        "replicas: 1",
	"Tag":             "image: {tag: 1.2.3-rc.1}",
	"InlineConfig":    `config: {parley: "task_queue: q"}`,
	"ExistingConfig":  "config: {existingConfigMap: agents, key: a.yaml}",
	"APIKey":          "temporal: {apiKey: {secret: cloud}}",
	"TLS":             "temporal: {tls: {enabled: true, serverName: t.example.com}}",
	"MutualTLS":       "temporal: {tls: {secret: client}}",
	"Authority":       `temporal: {tls: {secret: ca, certKey: "", keyKey: "", caKey: ca.crt}}`,
	"Drain":           "worker: {drainTimeout: 10m}",
	"Flags":           "worker: {inboxes: false, replayCheck: false, executor: scripted, stickyCache: 1}",
	"Env":             `env: [{name: OPENAI_BASE_URL, value: "https://models.example.com"}]`,
	"SecretEnv":       "secrets: {env: [{name: ONERUN_API_KEY, secret: keys, key: onerun}]}",
	"SecretFiles":     "secrets: {files: [{name: keys, secret: keys}, {name: more, secret: keys, keys: [a, b]}]}",
	"Versioning":      "versioning: {deploymentName: parley, buildId: v7}",
	"OpenShift":       "security: {runAsUser: null, runAsGroup: null, fsGroup: null}",
	"Port":            "health: {port: 9999}",
	"ServiceAccount":  "serviceAccount: {create: false, name: mine}",
	"Budget":          "podDisruptionBudget: {maxUnavailable: 50%}",
	"NoPolicy":        "networkPolicy: {enabled: false}",
	"NoPorts":         "networkPolicy: {egressPorts: []}",
	"Spread":          "topologySpread: {whenUnsatisfiable: DoNotSchedule}",
	"PodLabels":       "{podLabels: {team: a}, podAnnotations: {b: c}}",
	"ServiceMonitor":  "serviceMonitor: {enabled: true}",
	"KEDA":            "keda: {enabled: true}",
	"KEDAWithKey":     "{keda: {enabled: true}, temporal: {apiKey: {secret: cloud}}}",
	"KEDAWithOwn":     "{keda: {enabled: true, authentication: mine}, temporal: {apiKey: {secret: cloud}}}",
	"KEDAWithTLS":     "{keda: {enabled: true, authentication: mine}, temporal: {tls: {enabled: true}}}",
	"Controller":      `{temporal: {address: ""}, workerController: {enabled: true, connection: c}}`,
	"OlderController": `{temporal: {address: ""}, workerController: {enabled: true, connection: c, kind: TemporalWorkerDeployment}}`,
}

// with are the minimal values with an option.
func with(t testing.TB, option string) map[string]any {
	t.Helper()
	return merged(file(t, "minimal.yaml"), values(t, option))
}

// everyRelease calls a function with what each value file and each option renders.
func everyRelease(t *testing.T, f func(t *testing.T, r *rendered)) {
	t.Helper()
	for _, name := range files(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, render(t, file(t, name)))
		})
	}
	for name, option := range options {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, render(t, with(t, option)))
		})
	}
}

// Whatever the values: no root, no privilege, nothing to write to but /tmp, no token.
func TestHardened(t *testing.T) {
	t.Parallel()
	everyRelease(t, func(t *testing.T, r *rendered) {
		pod, c := r.pod(t).Spec, r.container(t)
		require.True(t, *pod.SecurityContext.RunAsNonRoot)
		require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
		require.False(t, *pod.AutomountServiceAccountToken)
		require.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC)
		s := c.SecurityContext
		require.False(t, *s.AllowPrivilegeEscalation)
		require.True(t, *s.ReadOnlyRootFilesystem)
		require.Equal(t, []corev1.Capability{"ALL"}, s.Capabilities.Drop)
		require.Empty(t, s.Capabilities.Add)
		for _, m := range c.VolumeMounts {
			require.Equal(t, m.MountPath != "/tmp", m.ReadOnly, m.MountPath)
		}
		require.NotEmpty(t, c.Resources.Requests.Memory().String())
		require.False(t, c.Resources.Limits.Memory().IsZero(), "the sticky cache goes by the limit of memory")
		if account, ok := r.raw["ServiceAccount"]; ok {
			require.False(t, *account.(*corev1.ServiceAccount).AutomountServiceAccountToken)
		}
		require.NotContains(t, r.raw, "Secret")
	})
}

// Volumes, mounts, ports and names fit together.
func TestReferences(t *testing.T) {
	t.Parallel()
	everyRelease(t, func(t *testing.T, r *rendered) {
		pod, c := r.pod(t), r.container(t)
		var volumes, mounts, paths []string
		for _, v := range pod.Spec.Volumes {
			volumes = append(volumes, v.Name)
			require.NotEqual(t, "temporal-tls", v.Name, "the Worker Controller adds a volume of this name")
		}
		for _, m := range c.VolumeMounts {
			mounts, paths = append(mounts, m.Name), append(paths, m.MountPath)
			require.NotEqual(t, "/etc/temporal/tls", m.MountPath, "the Worker Controller mounts its own there")
		}
		require.ElementsMatch(t, volumes, mounts)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(paths))), len(paths))
		require.Equal(t, "health", c.Ports[0].Name)
		require.Contains(t, c.Args, fmt.Sprintf("--health-addr=:%d", c.Ports[0].ContainerPort))
		for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			require.Equal(t, "health", p.HTTPGet.Port.String())
		}
		require.Equal(t, "/healthz", c.StartupProbe.HTTPGet.Path)
		require.Equal(t, "/healthz", c.LivenessProbe.HTTPGet.Path)
		var names []string
		for _, e := range c.Env {
			names = append(names, e.Name)
		}
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names), "a variable twice: %v", names)
		if r.raw["ConfigMap"] != nil {
			require.Contains(t, get[*corev1.ConfigMap](t, r).Data, "parley.yaml")
		}
		for _, v := range pod.Spec.Volumes {
			if v.ConfigMap != nil && r.raw["ConfigMap"] != nil {
				require.Equal(t, get[*corev1.ConfigMap](t, r).Name, v.ConfigMap.Name)
			}
		}
		if account, ok := r.raw["ServiceAccount"]; ok {
			require.Equal(t, account.(*corev1.ServiceAccount).Name, pod.Spec.ServiceAccountName)
		}
	})
}

// Whatever selects pods selects the worker's, and nothing that changes with an upgrade is
// in a selector: Kubernetes refuses to change a Deployment's.
func TestSelectors(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"app.kubernetes.io/name": "parley", "app.kubernetes.io/instance": release, "app.kubernetes.io/component": "worker",
	}
	everyRelease(t, func(t *testing.T, r *rendered) {
		labels := r.pod(t).Labels
		want := maps.Clone(want)
		want["app.kubernetes.io/name"] = labels["app.kubernetes.io/name"] // nameOverride is for good
		var selectors []map[string]string
		for _, o := range r.raw {
			switch o := o.(type) {
			case *appsv1.Deployment:
				selectors = append(selectors, o.Spec.Selector.MatchLabels)
			case *policyv1.PodDisruptionBudget:
				selectors = append(selectors, o.Spec.Selector.MatchLabels)
			case *networkingv1.NetworkPolicy:
				selectors = append(selectors, o.Spec.PodSelector.MatchLabels)
			case *corev1.Service:
				selectors = append(selectors, o.Spec.Selector)
			case *monitoringv1.ServiceMonitor:
				for k, v := range o.Spec.Selector.MatchLabels {
					require.Equal(t, v, get[*corev1.Service](t, r).Labels[k])
				}
			}
		}
		for _, c := range r.pod(t).Spec.TopologySpreadConstraints {
			selectors = append(selectors, c.LabelSelector.MatchLabels)
		}
		for _, s := range selectors {
			require.Equal(t, want, s)
			for k, v := range s {
				require.Equal(t, v, labels[k], "the pod lacks %s", k)
			}
		}
	})
	r := render(t, with(t, "image: {tag: other}"))
	require.Equal(t, "other", r.pod(t).Labels["app.kubernetes.io/version"], "the version is a label, and in no selector")
}

// Kubernetes kills no worker that still drains.
func TestGrace(t *testing.T) {
	t.Parallel()
	everyRelease(t, func(t *testing.T, r *rendered) {
		var drain time.Duration
		for _, a := range r.container(t).Args {
			if text, ok := strings.CutPrefix(a, "--drain-timeout="); ok {
				var err error
				drain, err = time.ParseDuration(text)
				require.NoError(t, err)
			}
		}
		require.Positive(t, drain)
		grace := time.Duration(*r.pod(t).Spec.TerminationGracePeriodSeconds) * time.Second
		require.GreaterOrEqual(t, grace, drain+drain/3+5*time.Second-time.Second)
	})
	for option, want := range map[string]int64{
		"worker: {drainTimeout: 30s}":                                     55,
		"worker: {drainTimeout: 2m}":                                      175,
		"worker: {drainTimeout: 30s, terminationGracePeriodSeconds: 45}":  45,
		"worker: {drainTimeout: 30s, terminationGracePeriodSeconds: 600}": 600,
	} {
		require.Equal(t, want, *render(t, with(t, option)).pod(t).Spec.TerminationGracePeriodSeconds, option)
	}
}

// Only a worker without versions can wait for inboxes before it is ready.
func TestReadiness(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"minimal.yaml": "/readyz", "everything.yaml": "/readyz?scope=worker", "controller.yaml": "/readyz?scope=worker",
	} {
		require.Equal(t, want, render(t, file(t, name)).container(t).ReadinessProbe.HTTPGet.Path, name)
	}
}

func TestTemporal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		option string
		want   map[string]string
	}{
		{"{}", map[string]string{"TEMPORAL_ADDRESS": "temporal-frontend.temporal:7233", "TEMPORAL_NAMESPACE": "default"}},
		{"temporal: {namespace: shop, apiKey: {secret: cloud, key: k}}", map[string]string{
			"TEMPORAL_ADDRESS": "temporal-frontend.temporal:7233", "TEMPORAL_NAMESPACE": "shop", "TEMPORAL_API_KEY": "cloud/k", "TEMPORAL_TLS": "true",
		}},
		{"temporal: {tls: {secret: client, caKey: ca.crt, serverName: x.y}}", map[string]string{
			"TEMPORAL_ADDRESS": "temporal-frontend.temporal:7233", "TEMPORAL_NAMESPACE": "default", "TEMPORAL_TLS": "true", "TEMPORAL_TLS_SERVER_NAME": "x.y",
			"TEMPORAL_TLS_CLIENT_CERT_PATH": "/secrets-temporal/tls.crt", "TEMPORAL_TLS_CLIENT_KEY_PATH": "/secrets-temporal/tls.key",
			"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/secrets-temporal/ca.crt",
		}},
		{options["Versioning"], map[string]string{
			"TEMPORAL_ADDRESS": "temporal-frontend.temporal:7233", "TEMPORAL_NAMESPACE": "default",
			"TEMPORAL_DEPLOYMENT_NAME": "parley", "TEMPORAL_WORKER_BUILD_ID": "v7",
		}},
		// The Worker Controller adds all of these itself.
		{options["Controller"], map[string]string{}},
	} {
		got := map[string]string{}
		for _, e := range render(t, with(t, tt.option)).container(t).Env {
			got[e.Name] = e.Value
			if e.ValueFrom != nil {
				got[e.Name] = e.ValueFrom.SecretKeyRef.Name + "/" + e.ValueFrom.SecretKeyRef.Key
			}
		}
		require.Equal(t, tt.want, got, tt.option)
	}
}

// What the worker needs passes: names, Temporal, platforms and models; and Prometheus.
func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		option string
		ports  []int
		ingest int // rules of ingress
	}{
		{"{}", []int{53, 53, 7233, 443}, 0},
		{"temporal: {address: cloud.example.com:7234}", []int{53, 53, 7234, 443, 7233}, 0},
		{"networkPolicy: {egressPorts: [443, 4318]}", []int{53, 53, 7233, 443, 4318}, 0},
		{options["NoPorts"], []int{53, 53, 7233}, 0},
		{options["ServiceMonitor"], []int{53, 53, 7233, 443}, 1},
		{options["Controller"], []int{53, 53, 443, 7233}, 0},
	} {
		p := get[*networkingv1.NetworkPolicy](t, render(t, with(t, tt.option))).Spec
		require.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, p.PolicyTypes)
		var ports []int
		for _, rule := range p.Egress {
			require.Empty(t, rule.To, "by port, to any address: a block of addresses is no pod to some networks")
			for _, port := range rule.Ports {
				ports = append(ports, port.Port.IntValue())
			}
		}
		require.Equal(t, tt.ports, ports, tt.option)
		require.Len(t, p.Ingress, tt.ingest, tt.option)
	}
	p := get[*networkingv1.NetworkPolicy](t, render(t, file(t, "everything.yaml"))).Spec
	require.Len(t, p.Egress, 3)
	require.Equal(t, "onerun", p.Egress[2].To[0].PodSelector.MatchLabels["app"])
	require.Equal(t, "health", p.Ingress[0].Ports[0].Port.String())
	require.Equal(t, "monitoring", p.Ingress[0].From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
}

func TestBudget(t *testing.T) {
	t.Parallel()
	b := get[*policyv1.PodDisruptionBudget](t, render(t, file(t, "minimal.yaml"))).Spec
	require.Equal(t, "1", b.MaxUnavailable.String())
	require.Nil(t, b.MinAvailable)
	require.Equal(t, policyv1.AlwaysAllow, *b.UnhealthyPodEvictionPolicy)
}

func TestServiceMonitor(t *testing.T) {
	t.Parallel()
	r := render(t, file(t, "everything.yaml"))
	m, s := get[*monitoringv1.ServiceMonitor](t, r), get[*corev1.Service](t, r)
	require.Equal(t, "prometheus", m.Labels["release"])
	require.Equal(t, s.Spec.Ports[0].Name, m.Spec.Endpoints[0].Port)
	require.Equal(t, "/metrics", m.Spec.Endpoints[0].Path)
	require.Equal(t, corev1.ClusterIPNone, s.Spec.ClusterIP)
	require.True(t, s.Spec.PublishNotReadyAddresses)
	require.EqualValues(t, 9000, s.Spec.Ports[0].Port)
}

func TestKEDA(t *testing.T) {
	t.Parallel()
	r := render(t, file(t, "everything.yaml"))
	s, d := get[*scaledObject](t, r), get[*appsv1.Deployment](t, r)
	require.Nil(t, d.Spec.Replicas, "an upgrade would undo what KEDA has decided")
	require.Equal(t, d.Name, s.Spec.ScaleTargetRef.Name)
	require.EqualValues(t, 2, *s.Spec.MinReplicaCount)
	require.EqualValues(t, 600, *s.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior.ScaleDown.StabilizationWindowSeconds)
	require.Len(t, s.Spec.Triggers, 1)
	trigger := s.Spec.Triggers[0]
	require.Equal(t, "temporal", trigger.Type)
	require.Equal(t, map[string]string{
		"endpoint": "shop.a2dd6.tmprl.cloud:7234", "namespace": "shop.a2dd6", "taskQueue": "support", "queueTypes": "workflow,activity", "targetQueueSize": "10",
		"tlsServerName": "temporal.example.com", "workerDeploymentName": "shop/parley", "workerDeploymentBuildId": "v7",
	}, trigger.Metadata)
	for name := range trigger.Metadata {
		require.Contains(t, triggerMetadata, name)
	}
	a := get[*triggerAuthentication](t, r)
	require.Equal(t, a.Name, trigger.AuthenticationRef.Name)
	var parameters []string
	for _, p := range a.Spec.SecretTargetRef {
		require.Contains(t, triggerParameters, p.Parameter)
		parameters = append(parameters, p.Parameter+"="+p.Name+"/"+p.Key)
	}
	require.Equal(t, []string{"apiKey=temporal-cloud/token", "cert=temporal-tls/tls.crt", "key=temporal-tls/tls.key", "ca=temporal-tls/ca.crt"}, parameters)

	for option, queue := range map[string]string{
		options["KEDA"]: "parley",
		`{keda: {enabled: true}, config: {parley: "task_queue: q"}}`:                                               "q",
		`{keda: {enabled: true}, config: {parley: "task_queue: q"}, worker: {taskQueue: w}}`:                       "w",
		`{keda: {enabled: true, taskQueue: k}, config: {parley: "task_queue: ${QUEUE}"}, worker: {taskQueue: ""}}`: "k",
	} {
		require.Equal(t, queue, get[*scaledObject](t, render(t, with(t, option))).Spec.Triggers[0].Metadata["taskQueue"], option)
	}
	require.Nil(t, get[*scaledObject](t, render(t, with(t, options["KEDA"]))).Spec.Triggers[0].AuthenticationRef)
	own := render(t, with(t, options["KEDAWithOwn"]))
	require.Equal(t, "mine", get[*scaledObject](t, own).Spec.Triggers[0].AuthenticationRef.Name)
	require.NotContains(t, own.raw, "TriggerAuthentication")
}

func TestWorkerController(t *testing.T) {
	t.Parallel()
	w := get[*workerDeployment](t, render(t, file(t, "controller.yaml")))
	require.Equal(t, "WorkerDeployment", w.Kind)
	require.EqualValues(t, 2, *w.Spec.Replicas)
	require.Equal(t, "production", w.Spec.WorkerOptions.ConnectionRef.Name)
	require.Equal(t, "shop", w.Spec.WorkerOptions.TemporalNamespace)
	require.Equal(t, "Progressive", w.Spec.Rollout.Strategy)
	require.Equal(t, time.Hour, w.Spec.Rollout.Steps[1].PauseDuration.Duration)
	require.Equal(t, 48*time.Hour, w.Spec.Sunset.DeleteDelay.Duration)
	// Temporal's name of the deployment is <namespace>/<name>, where it allows no dot.
	require.NotContains(t, w.Name, ".")
	older := get[*workerDeployment](t, render(t, with(t, options["OlderController"])))
	require.Equal(t, "TemporalWorkerDeployment", older.Kind)
}

// The pods change with the text of parley.yaml, which the worker reads when it starts.
func TestChecksum(t *testing.T) {
	t.Parallel()
	annotations := func(text string) map[string]string {
		return render(t, with(t, fmt.Sprintf("config: {parley: %q}", text))).pod(t).Annotations
	}
	require.NotEmpty(t, annotations("task_queue: a"))
	require.Equal(t, annotations("task_queue: a"), annotations("task_queue: a"))
	require.NotEqual(t, annotations("task_queue: a"), annotations("task_queue: b"))
}

func TestNotes(t *testing.T) {
	t.Parallel()
	require.Contains(t, render(t, file(t, "minimal.yaml")).notes, "exec deployment/shop-parley -- starter doctor")
	require.Contains(t, render(t, file(t, "controller.yaml")).notes, "get workerdeployment shop-parley")
	require.Contains(t, render(t, with(t, options["Versioning"])).notes, "starter deploy --deployment-name parley --build-id v7")
}

// Decoding is strict for every kind: a field that its type lacks is an error.
func TestStrict(t *testing.T) {
	t.Parallel()
	for kind := range kinds {
		version, name, _ := strings.Cut(kind, " ")
		good := fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: a, namespace: %s}\n", version, name, namespace)
		require.NoError(t, (&rendered{raw: map[string]any{}}).add(good), kind)
		for _, wrong := range []string{"spek: {}", "metadata: {}", "labels: {a: b}"} {
			require.Error(t, (&rendered{raw: map[string]any{}}).add(good+wrong), "%s with %s", kind, wrong)
		}
		if name != "ConfigMap" && name != "ServiceAccount" {
			require.ErrorContains(t, (&rendered{raw: map[string]any{}}).add(good+"spec: {surely: not}"), "surely", kind)
		}
	}
}
