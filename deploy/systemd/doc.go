// Package systemd holds the units of the worker for machines with systemd. Its tests check
// them with systemd's own tools.
package systemd
