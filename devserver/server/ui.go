package server

import (
	"net/netip"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

// newUI builds the web UI, with every action on workflows allowed and nothing
// fetched from outside.
func newUI(at reservation, frontend, namespace, codecEndpoint string) *uiserver.Server {
	return uiserver.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: frontend,
		Host:                urlHost(at.ip),
		Port:                at.port,
		EnableUI:            true,
		DefaultNamespace:    namespace,
		HideLogs:            true,
		DisableNewsFetch:    true,
		Codec:               uiconfig.Codec{Endpoint: codecEndpoint},
		CORS: uiconfig.CORS{
			// Pages of other origins get no answer they could read.
			AllowOrigins: []string{"http://" + at.dialable()},
			// The page comes over plain HTTP, where a browser refuses secure cookies.
			CookieInsecure: true,
		},
	}))
}

func urlHost(ip netip.Addr) string {
	if ip.Is6() {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}
