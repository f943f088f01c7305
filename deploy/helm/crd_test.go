package helm

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The fields of custom resources, as their definitions document them. The Go types of KEDA
// and of Temporal's Worker Controller are in the modules of the whole programs, which need
// hundreds of others; these have the documented fields that the chart may use, under their
// names, so that a misspelled or misplaced field is an error here too.

// A scaledObject is keda.sh/v1alpha1 ScaledObject, of KEDA 2.17 to 2.21.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Name                   string `json:"name"`
			APIVersion             string `json:"apiVersion"`
			Kind                   string `json:"kind"`
			EnvSourceContainerName string `json:"envSourceContainerName"`
		} `json:"scaleTargetRef"`
		PollingInterval       *int32 `json:"pollingInterval"`
		InitialCooldownPeriod *int32 `json:"initialCooldownPeriod"`
		CooldownPeriod        *int32 `json:"cooldownPeriod"`
		IdleReplicaCount      *int32 `json:"idleReplicaCount"`
		MinReplicaCount       *int32 `json:"minReplicaCount"`
		MaxReplicaCount       *int32 `json:"maxReplicaCount"`
		Advanced              *struct {
			HorizontalPodAutoscalerConfig *struct {
				Name     string                                         `json:"name"`
				Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
			RestoreToOriginalReplicaCount bool `json:"restoreToOriginalReplicaCount"`
		} `json:"advanced"`
		Triggers []struct {
			Type              string            `json:"type"`
			Name              string            `json:"name"`
			UseCachedMetrics  bool              `json:"useCachedMetrics"`
			Metadata          map[string]string `json:"metadata"`
			AuthenticationRef *struct {
				Name string `json:"name"`
				Kind string `json:"kind"`
			} `json:"authenticationRef"`
			MetricType autoscalingv2.MetricTargetType `json:"metricType"`
		} `json:"triggers"`
		Fallback *struct {
			FailureThreshold int32  `json:"failureThreshold"`
			Replicas         int32  `json:"replicas"`
			Behavior         string `json:"behavior"`
		} `json:"fallback"`
	} `json:"spec"`
}

// triggerMetadata are the documented settings of a trigger of the type temporal. KEDA has no
// schema for them: it ignores a misspelled one.
var triggerMetadata = []string{
	"endpoint", "namespace", "taskQueue", "queueTypes", "targetQueueSize", "activationTargetQueueSize", "workerDeploymentName", "workerDeploymentBuildId",
	"includeRunningWorkflowCount", "workflowTaskQueueForCount", "minConnectTimeout", "unsafeSsl", "tlsServerName", "enableTLS",
}

// triggerParameters are those that a TriggerAuthentication may give such a trigger.
var triggerParameters = []string{"apiKey", "ca", "cert", "key", "keyPassword"}

// A triggerAuthentication is keda.sh/v1alpha1 TriggerAuthentication, with Secrets.
type triggerAuthentication struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SecretTargetRef []struct {
			Parameter string `json:"parameter"`
			Name      string `json:"name"`
			Key       string `json:"key"`
		} `json:"secretTargetRef"`
	} `json:"spec"`
}

// A workerDeployment is temporal.io/v1alpha1 WorkerDeployment, of Worker Controller 1.7 and
// 1.8; before 1.7 it is called TemporalWorkerDeployment, and its fields are the same.
type workerDeployment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Replicas                *int32                 `json:"replicas"`
		Template                corev1.PodTemplateSpec `json:"template"`
		MinReadySeconds         int32                  `json:"minReadySeconds"`
		ProgressDeadlineSeconds *int32                 `json:"progressDeadlineSeconds"`
		Rollout                 struct {
			Strategy string `json:"strategy"`
			Gate     *struct {
				WorkflowType string `json:"workflowType"`
			} `json:"gate"`
			Steps []struct {
				RampPercentage int             `json:"rampPercentage"`
				PauseDuration  metav1.Duration `json:"pauseDuration"`
			} `json:"steps"`
		} `json:"rollout"`
		Sunset struct {
			ScaledownDelay *metav1.Duration `json:"scaledownDelay"`
			DeleteDelay    *metav1.Duration `json:"deleteDelay"`
		} `json:"sunset"`
		WorkerOptions struct {
			ConnectionRef struct {
				Name string `json:"name"`
			} `json:"connectionRef"`
			TemporalNamespace   string `json:"temporalNamespace"`
			UnsafeCustomBuildID string `json:"unsafeCustomBuildID"`
		} `json:"workerOptions"`
	} `json:"spec"`
}
