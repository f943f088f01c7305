// Package observability tests the dashboard, the alerts and the settings in this folder
// without the programs that they are for: queries against the metrics that workers have,
// alerts by promtool's tests. Prometheus' promtool checks its files, too. It is a module of its own, because Prometheus' engine is a
// large dependency.
package observability
