package server

import (
	"fmt"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/testing/freeport"
	"go.temporal.io/server/temporal"
)

const (
	clusterName = "active"
	storeName   = "sqlite"
	loopback    = "127.0.0.1"
)

// newTemporal wires a Temporal server of four services around one database.
func newTemporal(frontend reservation, db *config.SQL, dynamic DynamicConfig, logger temporalLogger) (temporal.Server, error) {
	ports := map[primitives.ServiceName]int{
		primitives.FrontendService: frontend.port,
		primitives.HistoryService:  freeport.MustGetFreePort(),
		primitives.MatchingService: freeport.MustGetFreePort(),
		primitives.WorkerService:   freeport.MustGetFreePort(),
	}
	services := make(map[string]config.Service, len(ports))
	hosts := make(map[primitives.ServiceName]static.Hosts, len(ports))
	for name, port := range ports {
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: loopback}}
		hosts[name] = static.SingleLocalHost(fmt.Sprintf("%s:%d", loopback, port))
	}
	services[string(primitives.FrontendService)] = config.Service{
		RPC: config.RPC{GRPCPort: frontend.port, BindOnIP: frontend.ip.String()},
	}
	hosts[primitives.FrontendService] = static.SingleLocalHost(frontend.dialable())

	return temporal.NewServer(
		temporal.WithConfig(&config.Config{
			Global: config.Global{
				Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback},
			},
			Persistence: config.Persistence{
				DefaultStore:     storeName,
				VisibilityStore:  storeName,
				NumHistoryShards: 1, // more shards would queue for the same single connection
				DataStores:       map[string]config.DataStore{storeName: {SQL: db}},
			},
			ClusterMetadata: &cluster.Config{
				FailoverVersionIncrement: 10,
				MasterClusterName:        clusterName,
				CurrentClusterName:       clusterName,
				ClusterInformation: map[string]cluster.ClusterInformation{
					clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend.dialable()},
				},
			},
			DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
			Services:            services,
			PublicClient:        config.PublicClient{HostPort: frontend.dialable()},
			Archival: config.Archival{
				History:    config.HistoryArchival{State: config.ArchivalDisabled},
				Visibility: config.VisibilityArchival{State: config.ArchivalDisabled},
			},
			NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
				History:    config.HistoryArchivalNamespaceDefaults{State: config.ArchivalDisabled},
				Visibility: config.VisibilityArchivalNamespaceDefaults{State: config.ArchivalDisabled},
			}},
		}),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithDynamicConfigClient(tuned(dynamic)),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithLogger(logger),
	)
}
