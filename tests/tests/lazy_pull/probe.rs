//! By what dray knows that a snapshotter is another process.

use dray::containerd::Containerd;
use dray::ports::StoreInfo as _;
use dray_tests::daemon::{Generation, Settings};
use dray_tests::snapshot_service::{Reply, SnapshotService};
use dray_tests::{daemon, on_each_generation, require};

on_each_generation!(containerd_lists_the_addresses_of_proxy_plugins);

fn containerd_lists_the_addresses_of_proxy_plugins(generation: Generation) {
    let service = SnapshotService::start(|_| Reply::Mounts);
    let proxy_plugins = vec![service.plugin("proxy")];
    let settings = Settings { proxy_plugins, ..Settings::new(generation) };
    let daemon = require!(daemon::Containerd::start_with(&settings));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let known = runtime.expect("a runtime can be built").block_on(async {
        let containerd = Containerd::connect(&daemon.socket().display().to_string(), "default").await;
        containerd.expect("it listens").snapshotters().await.expect("it answers")
    });
    for info in known {
        let socket = service.socket().display().to_string();
        let expected = (info.name.as_str() == "proxy").then_some(socket);
        assert_eq!(info.address, expected, "{}", info.name);
    }
}
