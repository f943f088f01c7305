// Package containers runs docker-compose.yml: it builds the image, brings everything up,
// lets practice conversations end while it kills the worker, looks at the metrics and traces
// that arrive and at what the containers may do, and takes everything down.
//
//	make compose-test
//	make compose-test ARGS="-keep"                  leaves the containers running if it fails
//	make compose-test ARGS="-override broken.yaml"  with a further compose file
//
// An engine that answers is used as it is, with the images of the registries. Without one,
// and as root, the test starts Debian's dockerd for itself: its data is in the user's cache,
// it changes nothing in this machine's firewall, and it ends with the test. That engine pulls
// nothing. The images of others are built for it from Debian's packages and the Go module
// proxy, under their names: see ../standin. Tempo and Grafana cannot be built so; a collector
// that prints spans is in Tempo's place.
//
// The plugin "docker compose" is used if it is installed, otherwise it is built from the Go
// module proxy, once.
package containers
