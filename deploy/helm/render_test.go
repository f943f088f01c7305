package helm

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	dir       = "parley"
	release   = "shop"
	namespace = "agents"
)

// load reads the chart once; nothing changes it.
var load = sync.OnceValues(func() (*chart.Chart, error) { return loader.LoadDir(dir) })

// values parses values as a file of "helm --values" has them.
func values(t testing.TB, text string) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &v))
	return v
}

// file reads one of testdata/values.
func file(t testing.TB, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "values", name))
	require.NoError(t, err)
	return values(t, string(text))
}

// rendered are the objects of a release, by kind.
type rendered struct {
	raw   map[string]any
	notes string
}

// template does what "helm template" does: the values pass the schema, the templates are
// executed, and every object is decoded strictly.
func template(given map[string]any) (*rendered, error) {
	c, err := load()
	if err != nil {
		return nil, err
	}
	options := common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, given, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	r := &rendered{raw: map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			r.notes = files[name]
			continue
		}
		if err := r.add(files[name]); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", name, err, files[name])
		}
	}
	return r, nil
}

func (r *rendered) add(text string) error {
	documents := k8syaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		one, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(one)) == 0 {
			continue
		}
		var meta struct {
			metav1.TypeMeta   `json:",inline"`
			metav1.ObjectMeta `json:"metadata"`
		}
		if err := yaml.Unmarshal(one, &meta); err != nil {
			return err
		}
		make, ok := kinds[meta.APIVersion+" "+meta.Kind]
		if !ok {
			return fmt.Errorf("no type for %s %s", meta.APIVersion, meta.Kind)
		}
		if _, twice := r.raw[meta.Kind]; twice {
			return fmt.Errorf("two objects of the kind %s", meta.Kind)
		}
		if meta.Name == "" || meta.Namespace != namespace {
			return fmt.Errorf("%s %q in namespace %q", meta.Kind, meta.Name, meta.Namespace)
		}
		into := make()
		if err := yaml.UnmarshalStrict(one, into); err != nil {
			return fmt.Errorf("%s: %w", meta.Kind, err)
		}
		r.raw[meta.Kind] = into
	}
}

// kinds are the types that objects are decoded into: an unknown field is an error.
var kinds = map[string]func() any{
	"apps/v1 Deployment":                            func() any { return new(appsv1.Deployment) },
	"v1 ConfigMap":                                  func() any { return new(corev1.ConfigMap) },
	"v1 Service":                                    func() any { return new(corev1.Service) },
	"v1 ServiceAccount":                             func() any { return new(corev1.ServiceAccount) },
	"policy/v1 PodDisruptionBudget":                 func() any { return new(policyv1.PodDisruptionBudget) },
	"networking.k8s.io/v1 NetworkPolicy":            func() any { return new(networkingv1.NetworkPolicy) },
	"monitoring.coreos.com/v1 ServiceMonitor":       func() any { return new(monitoringv1.ServiceMonitor) },
	"keda.sh/v1alpha1 ScaledObject":                 func() any { return new(scaledObject) },
	"keda.sh/v1alpha1 TriggerAuthentication":        func() any { return new(triggerAuthentication) },
	"temporal.io/v1alpha1 WorkerDeployment":         func() any { return new(workerDeployment) },
	"temporal.io/v1alpha1 TemporalWorkerDeployment": func() any { return new(workerDeployment) },
}

// render is template for values that the chart accepts.
func render(t testing.TB, given map[string]any) *rendered {
	t.Helper()
	r, err := template(given)
	require.NoError(t, err)
	return r
}

// get returns the object of a kind.
func get[T any](t testing.TB, r *rendered) T {
	t.Helper()
	for _, o := range r.raw {
		if one, ok := o.(T); ok {
			return one
		}
	}
	var none T
	require.Fail(t, "not rendered", "%T; rendered: %v", none, r.kinds())
	return none
}

func (r *rendered) kinds() []string { return slices.Sorted(maps.Keys(r.raw)) }

// pod is the worker's pod, of a Deployment or of the Worker Controller.
func (r *rendered) pod(t testing.TB) corev1.PodTemplateSpec {
	t.Helper()
	if d, ok := r.raw["Deployment"]; ok {
		return d.(*appsv1.Deployment).Spec.Template
	}
	return get[*workerDeployment](t, r).Spec.Template
}

// container is the worker's container.
func (r *rendered) container(t testing.TB) corev1.Container {
	t.Helper()
	pod := r.pod(t)
	require.Len(t, pod.Spec.Containers, 1)
	return pod.Spec.Containers[0]
}

// merged are values with others on top, as with several files.
func merged(under, over map[string]any) map[string]any {
	return loader.MergeMaps(under, over)
}
