// Package systemd holds the units of the worker for machines with systemd. Its tests check
// them with systemd's own tools, without running them; the script check runs them under a
// systemd in a container.
package systemd
