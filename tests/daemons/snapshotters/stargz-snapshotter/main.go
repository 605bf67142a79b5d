// The stargz snapshotter. The project's own program is in a module that others cannot depend on.
package main

import (
	"context"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/stargz-snapshotter/service"
	"github.com/containerd/stargz-snapshotter/service/keychain/dockerconfig"
	"github.com/pelletier/go-toml"

	"dray.test/daemons/snapshotters/serve"
)

func main() {
	serve.Main(func(ctx context.Context, root, file string) (snapshots.Snapshotter, error) {
		tree, err := toml.LoadFile(file)
		if err != nil {
			return nil, err
		}
		var config service.Config
		if err := tree.Unmarshal(&config); err != nil {
			return nil, err
		}
		// Without this it knows no credentials.
		credentials := service.WithCredsFuncs(dockerconfig.NewDockerconfigKeychain(ctx))
		return service.NewStargzSnapshotterService(ctx, root, &config, credentials)
	})
}
