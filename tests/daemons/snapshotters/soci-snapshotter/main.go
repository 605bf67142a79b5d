// The SOCI snapshotter. The project's own program is in a module that others cannot depend on.
package main

import (
	"context"
	"io"
	"path/filepath"

	"github.com/awslabs/soci-snapshotter/config"
	"github.com/awslabs/soci-snapshotter/fs"
	"github.com/awslabs/soci-snapshotter/metadata"
	"github.com/awslabs/soci-snapshotter/service"
	"github.com/awslabs/soci-snapshotter/service/keychain/dockerconfig"
	"github.com/awslabs/soci-snapshotter/ztoc"
	"github.com/containerd/containerd/v2/core/snapshots"
	"go.etcd.io/bbolt"

	"dray.test/daemons/snapshotters/serve"
)

func main() {
	serve.Main(func(ctx context.Context, root, file string) (snapshots.Snapshotter, error) {
		config, err := config.NewConfigFromToml(file)
		if err != nil {
			return nil, err
		}
		// The library has no default for the store of what the tables of contents say.
		db, err := bbolt.Open(filepath.Join(root, "metadata.db"), 0o600, &bbolt.Options{NoFreelistSync: true})
		if err != nil {
			return nil, err
		}
		store := func(blob *io.SectionReader, toc ztoc.TOC, options ...metadata.Option) (metadata.Reader, error) {
			return metadata.NewReader(db, blob, toc, options...)
		}
		return service.NewSociSnapshotterService(ctx, root, &config.ServiceConfig,
			service.WithCredsFuncs(dockerconfig.NewDockerConfigKeychain(ctx)),
			service.WithFilesystemOptions(fs.WithMetadataStore(store)))
	})
}
