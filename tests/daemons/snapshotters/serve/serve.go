// Package serve runs a snapshotter as a program of its own, as the projects' own programs do.
package serve

import (
	"context"
	"flag"
	"net"
	"os"
	"os/signal"
	"syscall"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/v2/contrib/snapshotservice"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/log"
	"google.golang.org/grpc"
)

// Make builds a snapshotter that keeps its data in root and is configured by a file.
type Make func(ctx context.Context, root, config string) (snapshots.Snapshotter, error)

// Main reads the flags and serves until SIGINT or SIGTERM. SIGINT unmounts and forgets what the snapshotter has; SIGTERM
// leaves it for the next start.
func Main(create Make) {
	address := flag.String("address", "", "the socket to listen at")
	config := flag.String("config", "", "the configuration file")
	root := flag.String("root", "", "the directory for all data")
	flag.Parse()

	ctx := context.Background()
	if err := os.MkdirAll(*root, 0o700); err != nil {
		log.G(ctx).WithError(err).Fatal("cannot make the directory")
	}
	snapshotter, err := create(ctx, *root, *config)
	if err != nil {
		log.G(ctx).WithError(err).Fatal("cannot make the snapshotter")
	}

	// A socket of an earlier run may be there.
	_ = os.Remove(*address)
	listener, err := net.Listen("unix", *address)
	if err != nil {
		log.G(ctx).WithError(err).Fatal("cannot listen")
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(passNamespaceOn))
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	go func() {
		if err := server.Serve(listener); err != nil {
			log.G(ctx).WithError(err).Fatal("cannot serve")
		}
	}()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if <-signals == syscall.SIGINT {
		_ = snapshotter.Close()
	}
}

// passNamespaceOn makes the namespace of a request that of the requests to containerd that it causes.
func passNamespaceOn(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if namespace, ok := namespaces.Namespace(ctx); ok {
		ctx = namespaces.WithNamespace(ctx, namespace)
	}
	return handle(ctx, request)
}
